/* The terms of the objective (Eqs. 5-11, in the released form) and their gradients, for a batch. */
#include <math.h>
#include <string.h>

#include "softmax.h"

static const float EPSILON = 1e-5f;

enum { CE, CAL, CC, SCI, TCI, N_TERMS };

typedef struct {
  ptrdiff_t n_images, n_attributes, n_classes;
} sizes;

/* Logarithm of sum_c exp(x_c) over classes whose mark is not `left_out`; `p` gets exp(x_c) over
   the sum of all that are not. */
static float log_sum(const float *x, const uint8_t *marks, int left_out, ptrdiff_t n, float *p) {
  float highest = -INFINITY, total = 0;
  for (ptrdiff_t c = 0; c < n; c++)
    if (!marks || marks[c] != left_out) highest = fmaxf(highest, x[c]);
  __m512 sums = _mm512_setzero_ps();
  for (ptrdiff_t c = 0; c < n; c += LANES) {
    __mmask16 mask = lanes_below(n - c);
    __m512 difference = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + c), _mm512_set1_ps(highest));
    if (marks) {
      __m512i mark = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, marks + c));
      mask &= _mm512_cmpneq_epi32_mask(mark, _mm512_set1_epi32(left_out));
    }
    __m512 power = _mm512_maskz_mov_ps(mask, exponential(difference));
    sums = _mm512_add_ps(sums, power);
    _mm512_mask_storeu_ps(p + c, lanes_below(n - c), power);
  }
  total = _mm512_reduce_add_ps(sums);
  for (ptrdiff_t c = 0; c < n; c++) p[c] /= total;
  return highest + logf(total);
}

/* Cross entropy of x, and its gradient with a weight added to `by_x` and `by_minus_x`. */
static double cross_entropy(const float *x, ptrdiff_t y, ptrdiff_t n, float weight, float *p,
                            float *by_x, float *by_minus_x) {
  float loss = log_sum(x, NULL, 0, n, p) - x[y];
  if (!by_x) return loss;
  p[y] -= 1;
  for (ptrdiff_t c = 0; c < n; c++) by_x[c] += weight * p[c];
  for (ptrdiff_t c = 0; by_minus_x && c < n; c++) by_minus_x[c] -= weight * p[c];
  return loss;
}

/* -log of the mean probability of the classes marked as unseen, whose logits get a bias. `shares`
   gets the logarithm of each image's probability of them. */
static double calibration(const float *z, const uint8_t *unseen, float bias, sizes n, float weight,
                          float *shares, float *row, float *p, float *by_z) {
  float highest = -INFINITY;
  double total = 0;
  for (int pass = 0; pass < (by_z ? 2 : 1); pass++) {
    for (ptrdiff_t b = 0; b < n.n_images; b++) {
      for (ptrdiff_t c = 0; c < n.n_classes; c++)
        row[c] = z[b * n.n_classes + c] + (unseen[c] ? bias : 0);
      float *of_unseen = p + n.n_classes;
      float share_of_unseen = log_sum(row, unseen, 0, n.n_classes, of_unseen);
      share_of_unseen -= log_sum(row, NULL, 0, n.n_classes, p);
      if (pass == 0) {
        shares[b] = share_of_unseen;
        highest = fmaxf(highest, share_of_unseen);
        continue;
      }
      float scale = weight * expf(share_of_unseen - highest) / (float)total;
      for (ptrdiff_t c = 0; c < n.n_classes; c++)
        by_z[b * n.n_classes + c] += scale * (p[c] - of_unseen[c]);
    }
    for (ptrdiff_t b = 0; pass == 0 && b < n.n_images; b++) total += exp(shares[b] - highest);
  }
  return log((double)n.n_images) - highest - log(total);
}

/* Standardise each attribute over the rows of one or two matrices; `scale` gets 1 / deviation. */
static void standardize(const float *const x[2], int n_matrices, sizes n, float *const to[2],
                        float *mean, float *scale) {
  ptrdiff_t k_end = n.n_attributes;
  float share = 1.0f / (float)(n_matrices * n.n_images);
  memset(mean, 0, (size_t)k_end * sizeof(float));
  /* The mean of what is left corrects the mean: what is constant becomes zero. */
  for (int pass = 0; pass < 2; pass++) {
    memset(scale, 0, (size_t)k_end * sizeof(float));
    for (int m = 0; m < n_matrices; m++)
      for (ptrdiff_t b = 0; b < n.n_images; b++)
        for (ptrdiff_t k = 0; k < k_end; k++) scale[k] += x[m][b * k_end + k] - mean[k];
    for (ptrdiff_t k = 0; k < k_end; k++) mean[k] += scale[k] * share;
  }
  memset(scale, 0, (size_t)k_end * sizeof(float));
  for (int m = 0; m < n_matrices; m++)
    for (ptrdiff_t b = 0; b < n.n_images; b++)
      for (ptrdiff_t k = 0; k < k_end; k++) {
        float centred = x[m][b * k_end + k] - mean[k];
        to[m][b * k_end + k] = centred;
        scale[k] += centred * centred;
      }
  for (ptrdiff_t k = 0; k < k_end; k++) scale[k] = 1 / sqrtf(scale[k] * share + EPSILON);
  for (int m = 0; m < n_matrices; m++)
    for (ptrdiff_t b = 0; b < n.n_images; b++)
      for (ptrdiff_t k = 0; k < k_end; k++) to[m][b * k_end + k] *= scale[k];
}

/* The gradients by what was standardised from those by the result, in their place. */
static void standardize_gradient(float *const gradients[2], float *const results[2], sizes n,
                                 const float *scale, float *sum, float *product) {
  ptrdiff_t k_end = n.n_attributes;
  float share = 1.0f / (float)(2 * n.n_images);
  memset(sum, 0, (size_t)k_end * sizeof(float));
  memset(product, 0, (size_t)k_end * sizeof(float));
  for (int m = 0; m < 2; m++)
    for (ptrdiff_t b = 0; b < n.n_images; b++)
      for (ptrdiff_t k = 0; k < k_end; k++) {
        float gradient = gradients[m][b * k_end + k];
        sum[k] += gradient;
        product[k] += gradient * results[m][b * k_end + k];
      }
  for (int m = 0; m < 2; m++)
    for (ptrdiff_t b = 0; b < n.n_images; b++)
      for (ptrdiff_t k = 0; k < k_end; k++) {
        ptrdiff_t i = b * k_end + k;
        float rest = gradients[m][i] - sum[k] * share - results[m][i] * product[k] * share;
        gradients[m][i] = scale[k] * rest;
      }
}

/* Mean and unbiased variance of all entries. */
static double variance(const float *x, ptrdiff_t n, double *mean) {
  double sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (ptrdiff_t i = 0; i < n; i++) sum += x[i];
  *mean = sum / (double)n;
  double centre = *mean;
#pragma omp simd reduction(+ : squares)
  for (ptrdiff_t i = 0; i < n; i++) squares += (x[i] - centre) * (x[i] - centre);
  return squares / (double)(n > 1 ? n - 1 : 1);
}

/* Floats of scratch. */
EXPORT ptrdiff_t zs_objective_floats(ptrdiff_t n_images, ptrdiff_t n_attributes,
                                     ptrdiff_t n_classes) {
  return (4 * n_images + 4) * n_attributes + 4 * n_classes + n_images;
}

/* Terms of the objective unless `terms` is NULL, and the gradients of their weighted sum unless
   `weights` is.
   Bit i of `wanted` asks for term i. Returns whether a class index is none. */
EXPORT int zs_objective(const float *s, const float *z, const float *s_other, const float *z_other,
                        const int64_t *y, const float *table, const uint8_t *unseen,
                        const float *settings, ptrdiff_t n_images, ptrdiff_t n_attributes,
                        ptrdiff_t n_classes, ptrdiff_t wanted, float *scratch, float *terms,
                        const float *weights, float *by_s, float *by_z, float *by_s_other,
                        float *by_z_other, int n_threads) {
  (void)n_threads;
  sizes n = {n_images, n_attributes, n_classes};
  ptrdiff_t n_entries = n_images * n_attributes, n_scores = n_images * n_classes;
  float alpha = settings[0], bias = settings[1];
  double found[N_TERMS] = {0};
  for (ptrdiff_t b = 0; b < n_images; b++)
    if (y[b] < 0 || y[b] >= n_classes) return 1;

  float *standard[2] = {scratch, scratch + n_entries}, *target = scratch + 2 * n_entries;
  float *raw_target = target + n_entries, *mean = raw_target + n_entries;
  float *scale = mean + n_attributes, *sum = scale + n_attributes, *product = sum + n_attributes;
  float *row = product + n_attributes, *p = row + 2 * n_classes, *shares = p + 2 * n_classes;
  const float *both[2] = {s, s_other}, *raw[2] = {raw_target, NULL};
  float *targets[2] = {target, NULL};
  for (ptrdiff_t b = 0; b < n_images; b++)
    memcpy(raw_target + b * n_attributes, table + y[b] * n_attributes,
           (size_t)n_attributes * sizeof(float));
  if (n_images > 1)
    standardize(raw, 1, n, targets, mean, scale);
  else
    memcpy(target, raw_target, (size_t)n_entries * sizeof(float));
  standardize(both, 2, n, standard, mean, scale);

  double above = 0, below = 0, gaps = 0, mean_s, mean_target;
  ptrdiff_t n_above = 1, n_below = 1;
#pragma omp simd reduction(+ : above, below, gaps, n_above, n_below)
  for (ptrdiff_t i = 0; i < n_entries; i++) {
    float difference = standard[0][i] - target[i];
    float square = difference * difference;
    n_above += difference > 0;
    n_below += difference < 0;
    above += difference > 0 ? square : 0;
    below += difference > 0 ? 0 : square; /* or not a number */
    gaps += fabsf(standard[1][i] - difference);
  }
  double gap = variance(raw_target, n_entries, &mean_target) - variance(s, n_entries, &mean_s);
  found[CC] = above / (double)n_above + alpha * below / (double)n_below + fabs(gap);
  found[SCI] = gaps / (double)n_entries;

  if (weights) {
    memset(by_z, 0, (size_t)n_scores * sizeof(float));
    memset(by_z_other, 0, (size_t)n_scores * sizeof(float));
    float over = 2 * weights[CC] / (float)n_above, under = 2 * alpha * weights[CC] / (float)n_below;
    float effect = weights[SCI] / (float)n_entries;
    for (ptrdiff_t i = 0; i < n_entries; i++) {
      float difference = standard[0][i] - target[i], left = standard[1][i] - difference;
      float by_effect = left > 0 ? effect : left < 0 ? -effect : 0;
      by_s[i] = (difference > 0 ? over : under) * difference - by_effect;
      by_s_other[i] = by_effect;
    }
    float *const gradients[2] = {by_s, by_s_other};
    standardize_gradient(gradients, standard, n, scale, sum, product);
    float slope = (gap > 0 ? -2.0f : gap < 0 ? 2.0f : 0.0f) * weights[CC];
    slope /= (float)(n_entries > 1 ? n_entries - 1 : 1);
    for (ptrdiff_t i = 0; i < n_entries; i++) by_s[i] += slope * (s[i] - (float)mean_s);
  }
  for (ptrdiff_t b = 0; b < n_images; b++) {
    const float *of_image = z + b * n_classes, *other = z_other + b * n_classes;
    float *by_image = weights ? by_z + b * n_classes : NULL;
    float *by_other = weights ? by_z_other + b * n_classes : NULL, share = 1.0f / (float)n_images;
    if (wanted >> CE & 1)
      found[CE] += cross_entropy(of_image, y[b], n_classes, weights ? weights[CE] * share : 0, p,
                                 by_image, NULL);
    for (ptrdiff_t c = 0; c < n_classes; c++) row[c] = of_image[c] - other[c];
    if (wanted >> TCI & 1)
      found[TCI] += cross_entropy(row, y[b], n_classes, weights ? weights[TCI] * share : 0, p,
                                  by_image, by_other);
  }
  found[CE] /= (double)n_images;
  found[TCI] /= (double)n_images;
  if (wanted >> CAL & 1)
    found[CAL] = calibration(z, unseen, bias, n, weights ? weights[CAL] : 0, shares, row, p,
                             weights ? by_z : NULL);
  for (int i = 0; terms && i < N_TERMS; i++) terms[i] = (float)found[i];
  return 0;
}
