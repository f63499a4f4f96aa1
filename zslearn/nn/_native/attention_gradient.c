/* The gradient of semantic attention by [Q; E], from what was kept: attention, and values less
   their weighted sum. */
#include "products.h"

/* Rows of regions summed over before sums go back to memory: what a thread packs of them, 64
   columns, stays in its second cache. */
enum { BLOCK_ROWS = 2560 };

/* Rows whose slopes are computed at once, from and to the second cache. */
enum { ROWS_AT_ONCE = 96 };

/* Rows that are fetched ahead where images do not lie side by side. */
enum { ROWS_AHEAD = 16 };

/* Attributes whose slopes lie side by side, in a group of 16 lanes: two tiles. */
enum { SIDE_BY_SIDE = 2 * TILE_ROWS };

typedef struct {
  ptrdiff_t n_images, n_regions, n_features, n_attributes;
} sizes;

/* The gradients of a region by up to 16 attributes. */
typedef struct {
  __m512 by_logits, by_values;
} slope;

INLINE slope slope_of(const low *kept, const float *outer, ptrdiff_t n_attributes, __mmask16 mask) {
  __m512 by_values = _mm512_maskz_loadu_ps(mask, outer);
  by_values = _mm512_mul_ps(load_low(kept, mask), by_values);
  return (slope){_mm512_mul_ps(load_low(kept + n_attributes, mask), by_values), by_values};
}

INLINE void store_pairs(pair *to, __m512 first, __m512 second) {
  _mm512_storeu_si512(to, interleave((__m256i)_mm512_cvtneps_pbh(first),
                                     (__m256i)_mm512_cvtneps_pbh(second)));
}

/* Pairs of the slopes of regions 2k and 2k + 1, for 2k from `start` up to `stop`: lane i of pair k
   of a group is its attribute i. Rows are those of a block, which begins at `first_row`. */
static void pack_slopes(const low *kept, const float *outer, sizes n, ptrdiff_t first_row,
                        ptrdiff_t start, ptrdiff_t stop, ptrdiff_t n_pairs, pair *slopes) {
  ptrdiff_t half_groups = divide_up(n.n_attributes, SIDE_BY_SIDE);
  for (ptrdiff_t group = 0; group < half_groups; group++) {
    ptrdiff_t attribute = group * SIDE_BY_SIDE;
    __mmask16 mask = lanes_below(least(SIDE_BY_SIDE, n.n_attributes - attribute));
    ptrdiff_t image = (first_row + start) / n.n_regions;
    ptrdiff_t region = (first_row + start) % n.n_regions;
    const low *at = kept + (first_row + start) * 2 * n.n_attributes + attribute;
    pair *by_logits = slopes + group * n_pairs * LANES, *by_values = by_logits;
    by_values += half_groups * n_pairs * LANES;
    for (ptrdiff_t row = start; row < stop; row += 2) {
      slope both[2] = {{{0}, {0}}, {{0}, {0}}};
      for (int j = 0; j < 2 && row + j < stop; j++) {
        const float *by_image = outer + image * n.n_attributes + attribute;
        both[j] = slope_of(at, by_image, n.n_attributes, mask);
        at += 2 * n.n_attributes;
        if (++region == n.n_regions) region = 0, image++;
      }
      store_pairs(by_logits + row / 2 * LANES, both[0].by_logits, both[1].by_logits);
      store_pairs(by_values + row / 2 * LANES, both[0].by_values, both[1].by_values);
    }
  }
}

/* A row of a batch whose images lie anywhere. */
typedef struct {
  const low *at;
  ptrdiff_t n_left;  /* of its image, from this one on */
  const int64_t *next, *stop;
} place;

INLINE place place_of(const low *regions, const int64_t *images, sizes n, ptrdiff_t row) {
  const int64_t *image = images + row / n.n_regions;
  ptrdiff_t region = row % n.n_regions;
  return (place){regions + (*image * n.n_regions + region) * n.n_features,
                 n.n_regions - region, image + 1, images + n.n_images};
}

/* Return the row and go on to the next, of which the last row is its own. */
INLINE const low *take(place *row, const low *regions, sizes n) {
  const low *taken = row->at;
  if (row->n_left > 1) {
    row->n_left--;
    row->at += n.n_features;
  } else if (row->next < row->stop) {
    row->n_left = n.n_regions;
    row->at = regions + *row->next++ * n.n_regions * n.n_features;
  }
  return taken;
}

/* As zs_pack_rows, which knows nothing of images: rows fetched ahead may be those of the next. */
static void pack_places(const low *regions, const int64_t *images, sizes n, ptrdiff_t first_row,
                        ptrdiff_t n_rows, ptrdiff_t column, int groups, pair *to) {
  place row = place_of(regions, images, n, first_row), ahead = row;
  for (int i = 0; i < ROWS_AHEAD; i++) take(&ahead, regions, n);
  for (ptrdiff_t i = 0; i < n_rows; i += 2) {
    const low *one = take(&row, regions, n), *other = take(&row, regions, n);
    const low *one_ahead = take(&ahead, regions, n), *other_ahead = take(&ahead, regions, n);
    for (ptrdiff_t at = column; at < column + groups * LANES; at += LANES, to += LANES) {
      __mmask16 mask = lanes_below(n.n_features - at);
      _mm_prefetch(one_ahead + at, _MM_HINT_T0);
      _mm_prefetch(other_ahead + at, _MM_HINT_T0);
      __m256i first = _mm256_maskz_loadu_epi16(mask, one + at);
      __m256i second = _mm256_maskz_loadu_epi16(i + 1 < n_rows ? mask : 0, other + at);
      _mm512_storeu_si512(to, interleave(first, second));
    }
  }
}

typedef struct {
  ptrdiff_t n_pairs;
  int is_first, is_last;
} block_of_rows;

/* Add up to 64 columns of the gradient, for every query and embedding. */
static void add_columns(sizes n, block_of_rows block, const pair *slopes, const pair *packed,
                        int groups, ptrdiff_t column, float *sums, low *gradient, float *tile) {
  ptrdiff_t half_groups = divide_up(n.n_attributes, SIDE_BY_SIDE);
  ptrdiff_t width = least((ptrdiff_t)groups * LANES, n.n_features - column);
  for (ptrdiff_t group = 0; group < 2 * half_groups; group++) {
    ptrdiff_t half = group / half_groups, attribute = group % half_groups * SIDE_BY_SIDE;
    ptrdiff_t n_rows = least(SIDE_BY_SIDE, n.n_attributes - attribute);
    left_factor left = {slopes + group * block.n_pairs * LANES, 1, LANES};
    tiles(n_rows, groups, block.n_pairs, left, packed, (ptrdiff_t)groups * LANES, tile);
    for (ptrdiff_t i = 0; i < n_rows; i++) {
      ptrdiff_t at = (half * n.n_attributes + attribute + i) * n.n_features + column;
      for (ptrdiff_t j = 0; j < width; j += LANES) {
        __mmask16 mask = lanes_below(width - j);
        __m512 sum = _mm512_loadu_ps(tile + i * WIDTH + j);
        if (!block.is_first)
          sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, sums + at + j));
        if (block.is_last)
          store_low(gradient + at + j, mask, sum);
        else
          _mm512_mask_storeu_ps(sums + at + j, mask, sum);
      }
    }
  }
}

/* Scratch: pairs for the slopes of a block, pairs that each thread packs, and sums of blocks. */
EXPORT ptrdiff_t zs_slope_pairs(ptrdiff_t n_rows, ptrdiff_t n_attributes) {
  ptrdiff_t groups = 2 * divide_up(n_attributes, SIDE_BY_SIDE);
  return divide_up(least(n_rows, BLOCK_ROWS), 2) * groups * LANES;
}
EXPORT ptrdiff_t zs_packed_pairs(ptrdiff_t n_rows) {
  return divide_up(least(n_rows, BLOCK_ROWS), 2) * WIDTH;
}
EXPORT ptrdiff_t zs_sums(ptrdiff_t n_rows, ptrdiff_t n_attributes, ptrdiff_t n_features) {
  return n_rows > BLOCK_ROWS ? 2 * n_attributes * n_features : 0;
}

/* `images` as in zs_attend. */
EXPORT void zs_attend_gradient(const low *regions, const int64_t *images, const low *kept,
                               const float *outer, ptrdiff_t n_images, ptrdiff_t n_regions,
                               ptrdiff_t n_features, ptrdiff_t n_attributes, low *gradient,
                               float *sums, pair *slopes, pair *packed, int n_threads) {
  sizes n = {n_images, n_regions, n_features, n_attributes};
  ptrdiff_t n_rows = n_images * n_regions, n_groups = divide_up(n_features, LANES);
  ptrdiff_t n_tasks = divide_up(divide_up(n_groups, GROUPS), n_threads) * n_threads;
#pragma omp parallel num_threads(n_threads)
  for (ptrdiff_t row = 0; row < n_rows; row += BLOCK_ROWS) {
    ptrdiff_t in_block = least(BLOCK_ROWS, n_rows - row), n_pairs = divide_up(in_block, 2);
    block_of_rows block = {n_pairs, row == 0, row + in_block == n_rows};
    pair *mine = packed + omp_get_thread_num() * zs_packed_pairs(n_rows);
    float tile[SIDE_BY_SIDE * WIDTH];
#pragma omp for schedule(dynamic, 1)
    for (ptrdiff_t start = 0; start < in_block; start += ROWS_AT_ONCE)
      pack_slopes(kept, outer, n, row, start, least(start + ROWS_AT_ONCE, in_block), n_pairs,
                  slopes);
#pragma omp for schedule(dynamic, 1)
    for (ptrdiff_t task = 0; task < n_tasks; task++) {
      ptrdiff_t first = share(n_groups, task, n_tasks), column = first * LANES;
      int groups = (int)(share(n_groups, task + 1, n_tasks) - first);
      if (groups == 0) continue;
      if (images)
        pack_places(regions, images, n, row, in_block, column, groups, mine);
      else
        zs_pack_rows(regions + row * n_features + column, n_features, in_block,
                     n_features - column, groups, mine);
      add_columns(n, block, slopes, mine, groups, column, sums, gradient, tile);
    }
  }
}
