/* Conditional correlation and semantic intervention (Eqs. 6-9): what compares semantic vectors with
   class attributes. Standardising runs along images, so that 16 attributes are on their own until
   their sums are added up. */
#include <math.h>
#include <string.h>

#include "objective.h"

static const float EPSILON = 1e-5f;

/* Where an image's attributes of a group begin: rows of s, or of the table by class. */
typedef struct {
  const float *from;
  const int64_t *index;
  ptrdiff_t stride;
} row_source;

INLINE __m512 load_row(row_source x, ptrdiff_t b, __mmask16 mask) {
  return _mm512_maskz_loadu_ps(mask, x.from + (x.index ? x.index[b] : b) * x.stride);
}

/* Standardise 16 attributes over the rows of one or two matrices; returns 1 / deviation. */
static __m512 standardize(const row_source *x, int n_matrices, ptrdiff_t n_images, __mmask16 mask,
                          float *const *to) {
  __m512 share = _mm512_set1_ps(1.0f / (float)(n_matrices * n_images));
  __m512 mean = _mm512_setzero_ps(), squares = mean;
  /* The mean of what is left corrects the mean: what is constant becomes zero. */
  for (int pass = 0; pass < 2; pass++) {
    __m512 sum = _mm512_setzero_ps();
    for (int m = 0; m < n_matrices; m++)
      for (ptrdiff_t b = 0; b < n_images; b++)
        sum = _mm512_add_ps(sum, _mm512_sub_ps(load_row(x[m], b, mask), mean));
    mean = _mm512_fmadd_ps(sum, share, mean);
  }
  for (int m = 0; m < n_matrices; m++)
    for (ptrdiff_t b = 0; b < n_images; b++) {
      __m512 centred = _mm512_sub_ps(load_row(x[m], b, mask), mean);
      squares = _mm512_fmadd_ps(centred, centred, squares);
      _mm512_storeu_ps(to[m] + b * LANES, centred);
    }
  __m512 variance = _mm512_fmadd_ps(squares, share, _mm512_set1_ps(EPSILON));
  __m512 scale = _mm512_div_ps(_mm512_set1_ps(1.0f), _mm512_sqrt_ps(variance));
  for (int m = 0; m < n_matrices; m++)
    for (ptrdiff_t b = 0; b < n_images; b++) {
      float *at = to[m] + b * LANES;
      _mm512_storeu_ps(at, _mm512_mul_ps(_mm512_loadu_ps(at), scale));
    }
  return scale;
}

/* Sums of lanes as float64. */
typedef struct {
  __m512d parts[2];
} wide_sum;

INLINE void add_lanes(wide_sum *sum, __m512d low_half, __m512d high_half) {
  sum->parts[0] = _mm512_add_pd(sum->parts[0], low_half);
  sum->parts[1] = _mm512_add_pd(sum->parts[1], high_half);
}

INLINE __m512d half_of(__m512 x, const int half) {
  return _mm512_cvtps_pd(half ? _mm512_extractf32x8_ps(x, 1) : _mm512_castps512_ps256(x));
}

INLINE void add(wide_sum *sum, __m512 x) { add_lanes(sum, half_of(x, 0), half_of(x, 1)); }

INLINE double total_of(wide_sum sum) {
  return _mm512_reduce_add_pd(_mm512_add_pd(sum.parts[0], sum.parts[1]));
}

/* Entries less some number, and their squares. */
INLINE void add_moments(wide_sum *sum, wide_sum *squares, __m512 x, float less, __mmask16 mask) {
  for (int half = 0; half < 2; half++) {
    __m512d rest = _mm512_sub_pd(half_of(x, half), _mm512_set1_pd(less));
    rest = _mm512_maskz_mov_pd((__mmask8)(mask >> 8 * half), rest);
    sum->parts[half] = _mm512_add_pd(sum->parts[half], rest);
    squares->parts[half] = _mm512_fmadd_pd(rest, rest, squares->parts[half]);
  }
}

static void compare_group(const objective *o, ptrdiff_t group) {
  ptrdiff_t first = group * LANES, stride = o->n_attributes, n_images = o->n_images;
  __mmask16 mask = lanes_below(o->n_attributes - first);
  row_source both[2] = {{o->s + first, NULL, stride}, {o->s_other + first, NULL, stride}};
  row_source table = {o->table + first, o->y, stride};
  float *target = o->target + first * n_images;
  float *const standard[2] = {o->standard[0] + first * n_images, o->standard[1] + first * n_images};
  if (n_images > 1)
    standardize(&table, 1, n_images, mask, &target);
  else
    _mm512_storeu_ps(target, load_row(table, 0, mask));
  _mm512_storeu_ps(o->scale + first, standardize(both, 2, n_images, mask, standard));

  wide_sum above = {0}, below = {0}, gaps = {0};
  wide_sum s = {0}, s_squares = {0}, targets = {0}, target_squares = {0};
  attribute_sums sums = {0};
  const __m512 zero = _mm512_setzero_ps();
  for (ptrdiff_t b = 0; b < n_images; b++) {
    __m512 x = _mm512_loadu_ps(standard[0] + b * LANES);
    __m512 difference = _mm512_sub_ps(x, _mm512_loadu_ps(target + b * LANES));
    __m512 gap = _mm512_sub_ps(_mm512_loadu_ps(standard[1] + b * LANES), difference);
    __mmask16 is_above = _mm512_mask_cmp_ps_mask(mask, difference, zero, _CMP_GT_OQ);
    __mmask16 is_below = _mm512_mask_cmp_ps_mask(mask, difference, zero, _CMP_LT_OQ);
    __mmask16 is_other = mask & (__mmask16)~is_above; /* or not a number */
    __m512 square = _mm512_mul_ps(difference, difference);
    sums.n_above += __builtin_popcount(is_above);
    sums.n_below += __builtin_popcount(is_below);
    add(&above, _mm512_maskz_mov_ps(is_above, square));
    add(&below, _mm512_maskz_mov_ps(is_other, square));
    add(&gaps, _mm512_maskz_mov_ps(mask, _mm512_abs_ps(gap)));
    add_moments(&s, &s_squares, load_row(both[0], b, mask), o->s[0], mask);
    add_moments(&targets, &target_squares, load_row(table, b, mask), 0, mask);
  }
  sums.above = total_of(above), sums.below = total_of(below), sums.gaps = total_of(gaps);
  sums.s = total_of(s), sums.s_squares = total_of(s_squares);
  sums.target = total_of(targets), sums.target_squares = total_of(target_squares);
  o->of_groups[group] = sums;
}

void zs_compare_attributes(const objective *o) {
#pragma omp for schedule(dynamic, 1) nowait
  for (ptrdiff_t group = 0; group < divide_up(o->n_attributes, LANES); group++)
    compare_group(o, group);
}

attribute_sums zs_sum_groups(const objective *o) {
  attribute_sums total = {0};
  total.n_above = total.n_below = 1; /* as the released code counts */
  for (ptrdiff_t group = 0; group < divide_up(o->n_attributes, LANES); group++) {
    const attribute_sums *sums = o->of_groups + group;
    total.above += sums->above, total.below += sums->below, total.gaps += sums->gaps;
    total.s += sums->s, total.s_squares += sums->s_squares;
    total.target += sums->target, total.target_squares += sums->target_squares;
    total.n_above += sums->n_above, total.n_below += sums->n_below;
  }
  return total;
}

static double variance(double sum, double squares, double n) {
  return (squares - sum * (sum / n)) / (n > 1 ? n - 1 : 1);
}

float zs_mean_semantics(const objective *o, const attribute_sums *total) {
  return (float)(o->s[0] + total->s / (double)(o->n_images * o->n_attributes));
}

double zs_spread_gap(const objective *o, const attribute_sums *total) {
  double n = (double)(o->n_images * o->n_attributes);
  return variance(total->target, total->target_squares, n) -
         variance(total->s, total->s_squares, n);
}

typedef struct {
  __m512 over, under, effect, slope, mean;
} factors;

typedef struct {
  __m512 by_s, by_other;
} gradients;

/* By the standardised values of an image. */
INLINE gradients by_standard(factors f, __m512 x, __m512 other, __m512 target) {
  const __m512 zero = _mm512_setzero_ps();
  __m512 difference = _mm512_sub_ps(x, target), left = _mm512_sub_ps(other, difference);
  __mmask16 is_above = _mm512_cmp_ps_mask(difference, zero, _CMP_GT_OQ);
  __m512 effect = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(left, zero, _CMP_GT_OQ), f.effect);
  __mmask16 is_negative = _mm512_cmp_ps_mask(left, zero, _CMP_LT_OQ);
  effect = _mm512_mask_sub_ps(effect, is_negative, zero, f.effect);
  __m512 factor = _mm512_mask_blend_ps(is_above, f.under, f.over);
  return (gradients){_mm512_fmsub_ps(factor, difference, effect), effect};
}

static void differentiate_group(const objective *o, ptrdiff_t group, factors f) {
  ptrdiff_t first = group * LANES, n_images = o->n_images;
  __mmask16 mask = lanes_below(o->n_attributes - first);
  const float *target = o->target + first * n_images;
  const float *x[2] = {o->standard[0] + first * n_images, o->standard[1] + first * n_images};
  __m512 share = _mm512_set1_ps(1.0f / (float)(2 * n_images));
  __m512 scale = _mm512_loadu_ps(o->scale + first);
  __m512 sum = _mm512_setzero_ps(), product = sum;
  /* Once for the sums, and again for the gradients less their part along what was standardised. */
  for (int pass = 0; pass < 2; pass++) {
    for (ptrdiff_t b = 0; b < n_images; b++) {
      __m512 s = _mm512_loadu_ps(x[0] + b * LANES), other = _mm512_loadu_ps(x[1] + b * LANES);
      gradients by = by_standard(f, s, other, _mm512_loadu_ps(target + b * LANES));
      if (pass == 0) {
        sum = _mm512_add_ps(sum, _mm512_add_ps(by.by_s, by.by_other));
        product = _mm512_fmadd_ps(by.by_s, s, product);
        product = _mm512_fmadd_ps(by.by_other, other, product);
        continue;
      }
      ptrdiff_t at = b * o->n_attributes + first;
      by.by_s = _mm512_sub_ps(by.by_s, _mm512_fmadd_ps(s, product, sum));
      by.by_other = _mm512_sub_ps(by.by_other, _mm512_fmadd_ps(other, product, sum));
      __m512 spread = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, o->s + at), f.mean);
      spread = _mm512_mul_ps(spread, f.slope);
      _mm512_mask_storeu_ps(o->by_s + at, mask, _mm512_fmadd_ps(by.by_s, scale, spread));
      _mm512_mask_storeu_ps(o->by_s_other + at, mask, _mm512_mul_ps(by.by_other, scale));
    }
    sum = _mm512_mul_ps(sum, share), product = _mm512_mul_ps(product, share);
  }
}

void zs_differentiate_attributes(const objective *o, const attribute_sums *total) {
  double n = (double)(o->n_images * o->n_attributes), gap = zs_spread_gap(o, total);
  float weight = o->weights[CC], slope = gap > 0 ? -2.0f : gap < 0 ? 2.0f : 0.0f;
  factors f = {
      _mm512_set1_ps(2 * weight / (float)total->n_above),
      _mm512_set1_ps(2 * o->alpha * weight / (float)total->n_below),
      _mm512_set1_ps(o->weights[SCI] / (float)n),
      _mm512_set1_ps(slope * weight / (float)(n > 1 ? n - 1 : 1)),
      _mm512_set1_ps(zs_mean_semantics(o, total)),
  };
#pragma omp for schedule(dynamic, 1) nowait
  for (ptrdiff_t group = 0; group < divide_up(o->n_attributes, LANES); group++)
    differentiate_group(o, group, f);
}
