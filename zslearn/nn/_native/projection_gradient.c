/* The gradients of [Q; E] = [A W_q; A W_sv] by A, W_q and W_sv. */
#include "projection.h"

typedef struct {
  ptrdiff_t n_attributes, width, n_features;
} sizes;

/* Rows of a tile, and those of another added if there is one. */
static void store_rows(const float *tile, const float *other, ptrdiff_t n_rows,
                       ptrdiff_t n_columns, float *to, ptrdiff_t stride) {
  for (ptrdiff_t i = 0; i < n_rows; i++)
    for (ptrdiff_t j = 0; j < n_columns; j += LANES) {
      __m512 x = _mm512_loadu_ps(tile + i * WIDTH + j);
      if (other) x = _mm512_add_ps(x, _mm512_loadu_ps(other + i * WIDTH + j));
      _mm512_mask_storeu_ps(to + i * stride + j, lanes_below(n_columns - j), x);
    }
}

/* The gradient by a row from that by the row of unit length, in its place. */
static void through_length(const float *row, float length, ptrdiff_t width, float *gradient) {
  __m512 inverse = _mm512_set1_ps(length > 0 ? 1 / length : 0), product = _mm512_setzero_ps();
  for (ptrdiff_t i = 0; i < width; i += LANES) {
    __mmask16 mask = lanes_below(width - i);
    __m512 unit = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, row + i), inverse);
    product = _mm512_fmadd_ps(unit, _mm512_maskz_loadu_ps(mask, gradient + i), product);
  }
  __m512 along = _mm512_set1_ps(_mm512_reduce_add_ps(product));
  for (ptrdiff_t i = 0; i < width; i += LANES) {
    __mmask16 mask = lanes_below(width - i);
    __m512 unit = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, row + i), inverse);
    __m512 across = _mm512_fnmadd_ps(unit, along, _mm512_maskz_loadu_ps(mask, gradient + i));
    _mm512_mask_storeu_ps(gradient + i, mask, _mm512_mul_ps(across, inverse));
  }
}

/* by_embeddings += embeddings * slope, what comes through the lengths of the embeddings; rounded. */
static void add_through_lengths(sizes n, const low *by_embeddings, const low *embeddings,
                                const float *by_lengths, const float *lengths, low *sum) {
#pragma omp for nowait
  for (ptrdiff_t k = 0; k < n.n_attributes; k++) {
    /* The length has no slope at zero. */
    __m512 slope = _mm512_set1_ps(lengths[k] > 0 ? by_lengths[k] / lengths[k] : 0.0f);
    for (ptrdiff_t i = 0; i < n.n_features; i += LANES) {
      __mmask16 mask = lanes_below(n.n_features - i);
      ptrdiff_t at = k * n.n_features + i;
      __m512 x = load_low(by_embeddings + at, mask);
      store_low(sum + at, mask, _mm512_fmadd_ps(load_low(embeddings + at, mask), slope, x));
    }
  }
}

/* Transpose A, its rows padded to even length. */
static void turn(sizes n, const low *unit_vectors, low *turned) {
  ptrdiff_t padded_width = 2 * divide_up(n.width, 2), padded = 2 * divide_up(n.n_attributes, 2);
#pragma omp for nowait
  for (ptrdiff_t v = 0; v < n.width; v++)
    for (ptrdiff_t k = 0; k < padded; k++)
      turned[v * padded + k] = k < n.n_attributes ? unit_vectors[k * padded_width + v] : 0;
}

/* Pack W_q^T and W_sv^T. */
static void pack_transposed(sizes n, const float *const weights[2], pair *transposed) {
  ptrdiff_t n_panels = divide_up(n.width, WIDTH), n_pairs = n.n_features / 2;
#pragma omp for schedule(dynamic, 1) nowait
  for (ptrdiff_t i = 0; i < 2 * n_panels * GROUPS; i++) {
    ptrdiff_t half = i % 2, panel = i / 2 / GROUPS, lane = i / 2 % GROUPS * LANES;
    ptrdiff_t first = panel * WIDTH + lane;
    pair *packed = transposed + (half * n_panels + panel) * n_pairs * WIDTH + lane;
    if (first < n.width)
      zs_pack_float_columns(weights[half] + first * n.n_features, n.n_features, n.width - first,
                            n_pairs, packed, WIDTH);
  }
}

/* A^T times the gradients by queries and embeddings, `outer`. */
static void by_weights(sizes n, const low *turned, const low *const outer[2], float *const to[2],
                       pair *packed) {
  ptrdiff_t padded = 2 * divide_up(n.n_attributes, 2);
  float tile[ROWS_AT_ONCE * WIDTH];
#pragma omp for schedule(dynamic, 1) nowait
  for (ptrdiff_t task = 0; task < 2 * divide_up(n.n_features, WIDTH); task++) {
    columns part = columns_of(task, n.n_features);
    ptrdiff_t n_columns = least(WIDTH, n.n_features - part.column);
    ptrdiff_t step = (ptrdiff_t)part.groups * LANES;
    zs_pack_rows(outer[part.half] + part.column, n.n_features, n.n_attributes, n_columns,
                 part.groups, packed);
    for (ptrdiff_t v = 0; v < n.width; v += ROWS_AT_ONCE) {
      ptrdiff_t n_rows = least(ROWS_AT_ONCE, n.width - v);
      left_factor left = {(const pair *)turned + v * padded / 2, padded / 2, 1};
      tiles(n_rows, part.groups, padded / 2, left, packed, step, tile);
      store_rows(tile, NULL, n_rows, n_columns, to[part.half] + v * n.n_features + part.column,
                 n.n_features);
    }
  }
}

/* The gradients by queries and embeddings times W_q^T and W_sv^T. */
static void by_unit_vectors(sizes n, const pair *transposed, const low *const outer[2], float *to) {
  ptrdiff_t n_panels = divide_up(n.width, WIDTH), n_pairs = n.n_features / 2;
  ptrdiff_t n_chunks = divide_up(n.n_attributes, ROWS_AT_ONCE / 2);
  float tile[2][ROWS_AT_ONCE / 2 * WIDTH];
#pragma omp for schedule(dynamic, 1)
  for (ptrdiff_t task = 0; task < n_panels * n_chunks; task++) {
    ptrdiff_t panel = task / n_chunks, chunk = task % n_chunks;
    ptrdiff_t k = share(n.n_attributes, chunk, n_chunks);
    ptrdiff_t n_rows = share(n.n_attributes, chunk + 1, n_chunks) - k;
    ptrdiff_t n_columns = least(WIDTH, n.width - panel * WIDTH);
    for (int half = 0; half < 2; half++) {
      const pair *right = transposed + (half * n_panels + panel) * n_pairs * WIDTH;
      left_factor left = {(const pair *)(outer[half] + k * n.n_features), n_pairs, 1};
      tiles(n_rows, (int)divide_up(n_columns, LANES), n_pairs, left, right, WIDTH, tile[half]);
    }
    store_rows(tile[0], tile[1], n_rows, n_columns, to + k * n.width + panel * WIDTH, n.width);
  }
}

/* Pairs of scratch for the transposed W_q and W_sv. */
EXPORT ptrdiff_t zs_transposed_pairs(ptrdiff_t width, ptrdiff_t n_features) {
  return 2 * divide_up(width, WIDTH) * n_features / 2 * WIDTH;
}

/* `outer` is the gradient by the weights, `by_lengths` that by the lengths of the embeddings or
   NULL; by_vectors is NULL where it is of no use. `turned` has room for the transposed vectors,
   `sum` for the gradient by the embeddings. */
EXPORT void zs_project_gradient(const float *vectors, const low *unit_vectors,
                                const float *vector_lengths, const float *query_weight,
                                const float *embedding_weight, const low *weights,
                                const float *lengths, const low *outer, const float *by_lengths,
                                ptrdiff_t n_attributes, ptrdiff_t width, ptrdiff_t n_features,
                                float *by_vectors, float *by_query_weight,
                                float *by_embedding_weight, low *sum, low *turned, pair *packed,
                                pair *transposed, int n_threads) {
  sizes n = {n_attributes, width, n_features};
  const low *by_embeddings = outer + n_attributes * n_features;
  const low *const outers[2] = {outer, by_lengths ? sum : by_embeddings};
  const float *const projections[2] = {query_weight, embedding_weight};
  float *const gradients[2] = {by_query_weight, by_embedding_weight};
#pragma omp parallel num_threads(n_threads)
  {
    pair *mine = packed + omp_get_thread_num() * zs_projection_pairs(n_attributes, width);
    if (by_lengths)
      add_through_lengths(n, by_embeddings, weights + n_attributes * n_features, by_lengths,
                          lengths, sum);
    turn(n, unit_vectors, turned);
    if (by_vectors) pack_transposed(n, projections, transposed);
#pragma omp barrier
    by_weights(n, turned, outers, gradients, mine);
    if (by_vectors) {
      by_unit_vectors(n, transposed, outers, by_vectors);
#pragma omp for
      for (ptrdiff_t k = 0; k < n_attributes; k++)
        through_length(vectors + k * width, vector_lengths[k], width, by_vectors + k * width);
    }
  }
}
