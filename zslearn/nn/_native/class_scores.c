/* Products of float32: of semantic vectors and classes, which both have their attributes side by
   side, and of gradients by scores and classes. */
#include "class_scores.h"

enum { ROWS = 4 };

void zs_score_images(const class_scores *c, const float *s, ptrdiff_t image, ptrdiff_t n,
                     float *z) {
  ptrdiff_t width = c->n_attributes;
  const float *left[ROWS], *right[ROWS];
  for (int i = 0; i < ROWS; i++) left[i] = s + (image + least(i, n - 1)) * width;
  for (ptrdiff_t class = 0; class < c->n_classes; class += ROWS) {
    ptrdiff_t n_here = least(ROWS, c->n_classes - class);
    __m512 sums[ROWS][ROWS];
    for (int i = 0; i < ROWS; i++) right[i] = c->classes + (class + least(i, n_here - 1)) * width;
#pragma GCC unroll 4
    for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 4
      for (int j = 0; j < ROWS; j++) sums[i][j] = _mm512_setzero_ps();
    for (ptrdiff_t k = 0; k < width; k += LANES) {
      __mmask16 mask = lanes_below(width - k);
      __m512 x[ROWS];
#pragma GCC unroll 4
      for (int i = 0; i < ROWS; i++) x[i] = _mm512_maskz_loadu_ps(mask, left[i] + k);
#pragma GCC unroll 4
      for (int j = 0; j < ROWS; j++) {
        __m512 of_class = _mm512_maskz_loadu_ps(mask, right[j] + k);
#pragma GCC unroll 4
        for (int i = 0; i < ROWS; i++) sums[i][j] = _mm512_fmadd_ps(x[i], of_class, sums[i][j]);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 4
      for (int j = 0; j < ROWS; j++)
        if (i < n && j < n_here)
          z[(image + i) * c->n_classes + class + j] = c->scale * _mm512_reduce_add_ps(sums[i][j]);
  }
}

void zs_differentiate_scores(const class_scores *c, const float *by_z, ptrdiff_t attribute,
                             float *by_s) {
  __mmask16 masks[GROUPS];
  for (int j = 0; j < GROUPS; j++) masks[j] = lanes_below(c->n_attributes - attribute - j * LANES);
  __m512 scale = _mm512_set1_ps(c->scale);
  for (ptrdiff_t image = 0; image < c->n_images; image += ROWS) {
    const float *left[ROWS];
    __m512 sums[ROWS][GROUPS];
    for (int i = 0; i < ROWS; i++)
      left[i] = by_z + least(image + i, c->n_images - 1) * c->n_classes;
#pragma GCC unroll 4
    for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 4
      for (int j = 0; j < GROUPS; j++) sums[i][j] = _mm512_setzero_ps();
    for (ptrdiff_t class = 0; class < c->n_classes; class++) {
      const float *of_class = c->classes + class * c->n_attributes + attribute;
      __m512 x[GROUPS];
#pragma GCC unroll 4
      for (int j = 0; j < GROUPS; j++)
        x[j] = _mm512_maskz_loadu_ps(masks[j], of_class + j * LANES);
#pragma GCC unroll 4
      for (int i = 0; i < ROWS; i++) {
        __m512 by = _mm512_set1_ps(left[i][class]);
#pragma GCC unroll 4
        for (int j = 0; j < GROUPS; j++) sums[i][j] = _mm512_fmadd_ps(by, x[j], sums[i][j]);
      }
    }
    for (int i = 0; i < least(ROWS, c->n_images - image); i++)
      for (int j = 0; j < GROUPS; j++) {
        float *at = by_s + (image + i) * c->n_attributes + attribute + j * LANES;
        __m512 sum = _mm512_fmadd_ps(sums[i][j], scale, _mm512_maskz_loadu_ps(masks[j], at));
        _mm512_mask_storeu_ps(at, masks[j], sum);
      }
  }
}
