/* The softmax over regions and the weighted sum, for 16 attributes at a time. */
#ifndef ZSLEARN_SOFTMAX_H
#define ZSLEARN_SOFTMAX_H

#include "products.h"

/* exp(x) for x <= 0, to about one unit in the last place: 2^n times a Taylor polynomial of what
   remains, which is at most log(2) / 2. */
INLINE __m512 exponential(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-110.0f), x); /* zero already; NaN stays NaN */
  __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(0x1.715476p+0f)),
                                  _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  /* log(2) in two parts, the first with so few bits that n times it is exact. */
  __m512 rest = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.62e4p-1f), x);
  rest = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.7f7d1cp-20f), rest);
  __m512 sum = _mm512_set1_ps(1.0f / 5040.0f);
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.0f / 720.0f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.0f / 120.0f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.0f / 24.0f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.0f / 6.0f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(0.5f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.0f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(sum, n);
}

/* Attention in place of the logits in the lanes of `mask`, and sum_r attention * values. `stride`
   floats lie between regions. An attention that nobody keeps is left as it is. */
INLINE __m512 soften(float *logits, const float *values, ptrdiff_t n_regions, ptrdiff_t stride,
                     __mmask16 mask, int keep) {
  __m512 highest = _mm512_loadu_ps(logits);
  for (ptrdiff_t r = 1; r < n_regions; r++)
    highest = _mm512_max_ps(highest, _mm512_loadu_ps(logits + r * stride));
  __m512 total = _mm512_setzero_ps(), weighted = _mm512_setzero_ps();
  for (ptrdiff_t r = 0; r < n_regions; r++) {
    float *at = logits + r * stride;
    __m512 weight = exponential(_mm512_sub_ps(_mm512_loadu_ps(at), highest));
    total = _mm512_add_ps(total, weight);
    weighted = _mm512_fmadd_ps(weight, _mm512_loadu_ps(values + r * stride), weighted);
    if (keep) _mm512_mask_storeu_ps(at, mask, weight);
  }
  __m512 scale = _mm512_div_ps(_mm512_set1_ps(1.0f), total);
  for (ptrdiff_t r = 0; keep && r < n_regions; r++) {
    float *at = logits + r * stride;
    _mm512_mask_storeu_ps(at, mask, _mm512_mul_ps(_mm512_loadu_ps(at), scale));
  }
  return _mm512_mul_ps(weighted, scale);
}

#endif
