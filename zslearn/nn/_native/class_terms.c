/* Cross entropy, calibration and target intervention (Eqs. 5, 10, 11): what compares class
   scores. */
#include <math.h>
#include <string.h>

#include "objective.h"
#include "softmax.h"

/* Logarithm of sum_c exp(x_c) over classes whose mark is not `left_out`; `p` gets exp(x_c) over
   the sum of all that are not, and zero for those that are. */
static float log_sum(const float *x, const uint8_t *marks, int left_out, ptrdiff_t n, float *p) {
  __m512 highest = _mm512_set1_ps(-INFINITY), sums = _mm512_setzero_ps();
  for (int pass = 0; pass < 2; pass++) {
    for (ptrdiff_t c = 0; c < n; c += LANES) {
      __mmask16 mask = lanes_below(n - c), kept = mask;
      if (marks) {
        __m512i mark = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, marks + c));
        kept &= _mm512_cmpneq_epi32_mask(mark, _mm512_set1_epi32(left_out));
      }
      __m512 at = _mm512_maskz_loadu_ps(mask, x + c);
      if (pass == 0) {
        highest = _mm512_mask_max_ps(highest, kept, at, highest);
        continue;
      }
      __m512 power = _mm512_maskz_mov_ps(kept, exponential(_mm512_sub_ps(at, highest)));
      sums = _mm512_add_ps(sums, power);
      _mm512_mask_storeu_ps(p + c, mask, power);
    }
    if (pass == 0) highest = _mm512_set1_ps(_mm512_reduce_max_ps(highest));
  }
  float total = _mm512_reduce_add_ps(sums);
  for (ptrdiff_t c = 0; c < n; c++) p[c] /= total;
  return _mm512_cvtss_f32(highest) + logf(total);
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

/* Logarithm of an image's probability of the unseen classes, whose logits get a bias; `p` gets the
   probabilities of all classes, and of the unseen ones among themselves. */
static double share_of_unseen(const objective *o, ptrdiff_t b, float *row, float *p) {
  const float *z = o->z + b * o->n_classes;
  for (ptrdiff_t c = 0; c < o->n_classes; c++) row[c] = z[c] + (o->unseen[c] ? o->bias : 0);
  float of_unseen = log_sum(row, o->unseen, 0, o->n_classes, p + o->n_classes);
  return of_unseen - log_sum(row, NULL, 0, o->n_classes, p);
}

void zs_compare_classes(const objective *o) {
  ptrdiff_t n_classes = o->n_classes;
  float *row = o->rows + omp_get_thread_num() * 3 * n_classes, *p = row + n_classes;
  float share = 1.0f / (float)o->n_images;
#pragma omp for schedule(dynamic, 1) nowait
  for (ptrdiff_t b = 0; b < o->n_images; b++) {
    const float *z = o->z + b * n_classes, *other = o->z_other + b * n_classes;
    float *by_z = NULL, *by_other = NULL, by_ce = 0, by_tci = 0;
    image_sums sums = {0};
    if (o->weights) {
      by_z = o->by_z + b * n_classes, by_other = o->by_z_other + b * n_classes;
      by_ce = o->weights[CE] * share, by_tci = o->weights[TCI] * share;
      memset(by_z, 0, (size_t)n_classes * sizeof(float));
      memset(by_other, 0, (size_t)n_classes * sizeof(float));
    }
    if (o->wanted >> CE & 1) sums.ce = cross_entropy(z, o->y[b], n_classes, by_ce, p, by_z, NULL);
    if (o->wanted >> TCI & 1) {
      for (ptrdiff_t c = 0; c < n_classes; c++) row[c] = z[c] - other[c];
      sums.tci = cross_entropy(row, o->y[b], n_classes, by_tci, p, by_z, by_other);
    }
    if (o->wanted >> CAL & 1) sums.share_of_unseen = share_of_unseen(o, b, row, p);
    o->of_images[b] = sums;
  }
}

double zs_log_total(const objective *o) {
  double highest = -INFINITY, total = 0;
  for (ptrdiff_t b = 0; b < o->n_images; b++)
    highest = fmax(highest, o->of_images[b].share_of_unseen);
  for (ptrdiff_t b = 0; b < o->n_images; b++)
    total += exp(o->of_images[b].share_of_unseen - highest);
  return highest + log(total);
}

void zs_differentiate_calibration(const objective *o, double log_total) {
  ptrdiff_t n_classes = o->n_classes;
  float *row = o->rows + omp_get_thread_num() * 3 * n_classes, *p = row + n_classes;
#pragma omp for schedule(dynamic, 1) nowait
  for (ptrdiff_t b = 0; b < o->n_images; b++) {
    const float *of_unseen = p + n_classes;
    float *by_z = o->by_z + b * n_classes;
    float weight = o->weights[CAL] * (float)exp(share_of_unseen(o, b, row, p) - log_total);
    for (ptrdiff_t c = 0; c < n_classes; c++) by_z[c] += weight * (p[c] - of_unseen[c]);
  }
}
