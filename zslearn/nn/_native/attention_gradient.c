/* The gradient of semantic attention by [Q; E], from the attention and values that were kept. */
#include "products.h"

enum { HALF = WIDTH / 2, HALF_GROUPS = HALF / LANES };

/* Rows of regions summed over before sums go back to memory: what a thread packs of them, 64
   columns, stays in its second cache. */
enum { BLOCK_ROWS = 2560 };

/* The gradients of two regions by the product: by the logits at [0], by the values at [1], for 16
   attributes. One mask says which regions there are. */
typedef struct {
  __m512 slopes[2];
} slope;

INLINE slope slopes_of(const low *kept, const float *semantics, const float *outer,
                       __mmask16 mask) {
  __m512 attention = load_low(kept, mask), values = load_low(kept + HALF, mask);
  __m512 by_values = _mm512_mul_ps(attention, _mm512_maskz_loadu_ps(mask, outer));
  __m512 rest = _mm512_sub_ps(values, _mm512_maskz_loadu_ps(mask, semantics));
  return (slope){{_mm512_mul_ps(rest, by_values), by_values}};
}

/* Pairs of the slopes of regions 2k and 2k + 1: lane i of `at[k * LANES]` is attribute i. */
static void pack_slopes(const low *kept, const float *semantics, const float *outer,
                        ptrdiff_t first_row, ptrdiff_t n_rows, ptrdiff_t n_regions,
                        ptrdiff_t n_attributes, ptrdiff_t panel, int group, pair *by_logits,
                        pair *by_values) {
  ptrdiff_t n_panels = divide_up(n_attributes, HALF);
  ptrdiff_t attribute = panel * HALF + group * LANES;
  __mmask16 mask = lanes_below(n_attributes - attribute);
  for (ptrdiff_t i = 0; i < n_rows; i += 2) {
    slope found[2];
    for (int j = 0; j < 2; j++) {
      ptrdiff_t row = first_row + i + j, image = row / n_regions;
      __mmask16 there = i + j < n_rows ? mask : 0;
      if (!there) image = 0;
      const low *at = kept;
      if (there)
        at += ((image * n_panels + panel) * n_regions + row % n_regions) * WIDTH + group * LANES;
      found[j] = slopes_of(at, semantics + image * n_attributes + attribute,
                           outer + image * n_attributes + attribute, there);
    }
    for (int k = 0; k < 2; k++) {
      __m512i x = interleave((__m256i)_mm512_cvtneps_pbh(found[0].slopes[k]),
                             (__m256i)_mm512_cvtneps_pbh(found[1].slopes[k]));
      _mm512_storeu_si512((k ? by_values : by_logits) + i / 2 * LANES, x);
    }
  }
}

typedef struct {
  ptrdiff_t n_features, n_attributes, n_pairs;
  int is_first, is_last;
} block_of_rows;

/* Add up to 64 columns of the gradient, for every query and embedding. */
static void add_columns(block_of_rows block, const pair *slopes, const pair *packed, int groups,
                        ptrdiff_t column, float *sums, low *gradient, float *tile) {
  ptrdiff_t half_groups = divide_up(block.n_attributes, HALF) * HALF_GROUPS;
  ptrdiff_t width = least((ptrdiff_t)groups * LANES, block.n_features - column);
  for (ptrdiff_t group = 0; group < 2 * half_groups; group++) {
    ptrdiff_t half = group / half_groups, attribute = group % half_groups * LANES;
    ptrdiff_t n_rows = least(LANES, block.n_attributes - attribute);
    if (n_rows <= 0) continue;
    left_factor left = {slopes + group * block.n_pairs * LANES, 1, LANES};
    tiles(n_rows, groups, block.n_pairs, left, packed, (ptrdiff_t)groups * LANES, tile);
    for (ptrdiff_t i = 0; i < n_rows; i++) {
      ptrdiff_t at = (half * block.n_attributes + attribute + i) * block.n_features + column;
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
  ptrdiff_t groups = 2 * divide_up(n_attributes, HALF) * HALF_GROUPS;
  return divide_up(least(n_rows, BLOCK_ROWS), 2) * groups * LANES;
}
EXPORT ptrdiff_t zs_packed_pairs(ptrdiff_t n_rows) {
  return divide_up(least(n_rows, BLOCK_ROWS), 2) * WIDTH;
}
EXPORT ptrdiff_t zs_sums(ptrdiff_t n_rows, ptrdiff_t n_attributes, ptrdiff_t n_features) {
  return n_rows > BLOCK_ROWS ? 2 * n_attributes * n_features : 0;
}

EXPORT void zs_attend_gradient(const low *regions, const low *kept, const float *semantics,
                               const float *outer, ptrdiff_t n_images, ptrdiff_t n_regions,
                               ptrdiff_t n_features, ptrdiff_t n_attributes, low *gradient,
                               float *sums, pair *slopes, pair *packed, int n_threads) {
  ptrdiff_t n_rows = n_images * n_regions, n_panels = divide_up(n_attributes, HALF);
  ptrdiff_t half_groups = n_panels * HALF_GROUPS, n_groups = divide_up(n_features, LANES);
#pragma omp parallel num_threads(n_threads)
  for (ptrdiff_t row = 0; row < n_rows; row += BLOCK_ROWS) {
    ptrdiff_t n = least(BLOCK_ROWS, n_rows - row), n_pairs = divide_up(n, 2);
    block_of_rows block = {n_features, n_attributes, n_pairs, row == 0, row + n == n_rows};
#pragma omp for schedule(dynamic, 1)
    for (ptrdiff_t group = 0; group < half_groups; group++)
      pack_slopes(kept, semantics, outer, row, n, n_regions, n_attributes, group / HALF_GROUPS,
                  (int)(group % HALF_GROUPS), slopes + group * n_pairs * LANES,
                  slopes + (half_groups + group) * n_pairs * LANES);
    ptrdiff_t thread = omp_get_thread_num(), n_teams = omp_get_num_threads();
    ptrdiff_t first = share(n_groups, thread, n_teams), last = share(n_groups, thread + 1, n_teams);
    pair *mine = packed + thread * divide_up(least(n_rows, BLOCK_ROWS), 2) * WIDTH;
    float tile[LANES * WIDTH];
    for (ptrdiff_t group = first; group < last; group += GROUPS) {
      int groups = (int)least(GROUPS, last - group);
      ptrdiff_t column = group * LANES;
      zs_pack_rows(regions + row * n_features + column, n_features, n, n_features - column, groups,
                   mine);
      add_columns(block, slopes, mine, groups, column, sums, gradient, tile);
    }
#pragma omp barrier
  }
}
