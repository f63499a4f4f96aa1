/* [Q; E] = [A W_q; A W_sv] and its gradients, from rows of A that are brought to unit length and
   weights that stay in float32.

   What is multiplied is rounded to bfloat16 while it is packed: no copy of the weights is made. */
#include "projection.h"

INLINE __m256i rounded(const float *from, __mmask16 mask) {
  return (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from));
}

/* zs_pack_rows of float32. */
static void pack_float_rows(const float *from, ptrdiff_t stride, ptrdiff_t n_rows,
                            ptrdiff_t n_columns, int groups, pair *to) {
  for (ptrdiff_t row = 0; row < n_rows; row += 2)
    for (int j = 0; j < groups; j++, to += LANES) {
      __mmask16 mask = lanes_below(n_columns - LANES * j);
      const float *at = from + row * stride + LANES * j;
      __m256i second = rounded(at + stride, row + 1 < n_rows ? mask : 0);
      _mm512_storeu_si512(to, interleave(rounded(at, mask), second));
    }
}

static void store_rows_low(const float *tile, ptrdiff_t n_rows, ptrdiff_t n_columns, low *to,
                           ptrdiff_t stride) {
  for (ptrdiff_t i = 0; i < n_rows; i++)
    for (ptrdiff_t j = 0; j < n_columns; j += LANES)
      store_low(to + i * stride + j, lanes_below(n_columns - j),
                _mm512_loadu_ps(tile + i * WIDTH + j));
}

static float length_of(const low *row, ptrdiff_t n) {
  __m512 squares = _mm512_setzero_ps();
  for (ptrdiff_t i = 0; i < n; i += LANES) {
    __m512 x = load_low(row + i, lanes_below(n - i));
    squares = _mm512_fmadd_ps(x, x, squares);
  }
  return __builtin_sqrtf(_mm512_reduce_add_ps(squares));
}

EXPORT ptrdiff_t zs_projection_pairs(ptrdiff_t n_attributes, ptrdiff_t width) {
  return divide_up(most(n_attributes, width), 2) * WIDTH;
}

/* A row of unit length in bfloat16, padded by zeros; returns the length it had. Divided by its
   largest entry first, no row is too short or too long to be squared. */
static float normalize_row(const float *from, ptrdiff_t width, ptrdiff_t padded, low *to) {
  __m512 largest = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
  for (ptrdiff_t i = 0; i < width; i += LANES) {
    __m512 x = _mm512_maskz_loadu_ps(lanes_below(width - i), from + i);
    largest = _mm512_max_ps(largest, _mm512_abs_ps(x));
  }
  float divisor = _mm512_reduce_max_ps(largest);
  if (divisor == 0) divisor = 1;
  for (ptrdiff_t i = 0; i < width; i += LANES) {
    __m512 x = _mm512_maskz_loadu_ps(lanes_below(width - i), from + i);
    x = _mm512_div_ps(x, _mm512_set1_ps(divisor));
    squares = _mm512_fmadd_ps(x, x, squares);
  }
  float length = __builtin_sqrtf(_mm512_reduce_add_ps(squares));
  __m512 scale = _mm512_set1_ps(length > 0 ? 1 / length : 0);
  for (ptrdiff_t i = 0; i < padded; i += LANES) {
    __m512 x = _mm512_maskz_loadu_ps(lanes_below(width - i), from + i);
    x = _mm512_mul_ps(_mm512_div_ps(x, _mm512_set1_ps(divisor)), scale);
    store_low(to + i, lanes_below(padded - i), x);
  }
  return length * divisor;
}

/* Weights (2 n_attributes, n_features), the lengths of their lower half, and the vectors of unit
   length in bfloat16, padded by a zero if their width is odd, with the lengths they had. */
EXPORT void zs_project(const float *vectors, const float *query_weight,
                       const float *embedding_weight, ptrdiff_t n_attributes, ptrdiff_t width,
                       ptrdiff_t n_features, low *unit_vectors, float *vector_lengths,
                       low *weights, float *lengths, pair *packed, int n_threads) {
  ptrdiff_t n_pairs = divide_up(width, 2), n_tasks = 2 * divide_up(n_features, WIDTH);
#pragma omp parallel num_threads(n_threads)
  {
    float tile[ROWS_AT_ONCE * WIDTH];
    pair *mine = packed + omp_get_thread_num() * zs_projection_pairs(n_attributes, width);
#pragma omp for
    for (ptrdiff_t k = 0; k < n_attributes; k++)
      vector_lengths[k] = normalize_row(vectors + k * width, width, 2 * n_pairs,
                                        unit_vectors + k * 2 * n_pairs);
#pragma omp for schedule(dynamic, 1)
    for (ptrdiff_t task = 0; task < n_tasks; task++) {
      columns part = columns_of(task, n_features);
      const float *from = (part.half ? embedding_weight : query_weight) + part.column;
      ptrdiff_t n_columns = least(WIDTH, n_features - part.column);
      pack_float_rows(from, n_features, width, n_columns, part.groups, mine);
      for (ptrdiff_t k = 0; k < n_attributes; k += ROWS_AT_ONCE) {
        ptrdiff_t n = least(ROWS_AT_ONCE, n_attributes - k);
        left_factor left = {(const pair *)unit_vectors + k * n_pairs, n_pairs, 1};
        tiles(n, part.groups, n_pairs, left, mine, (ptrdiff_t)part.groups * LANES, tile);
        low *to = weights + (part.half * n_attributes + k) * n_features + part.column;
        store_rows_low(tile, n, n_columns, to, n_features);
      }
    }
#pragma omp for
    for (ptrdiff_t k = 0; k < n_attributes; k++)
      lengths[k] = length_of(weights + (n_attributes + k) * n_features, n_features);
  }
}
