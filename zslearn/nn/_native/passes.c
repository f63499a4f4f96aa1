/* The passes over the product F [Q; E]^T, where others multiply: on processors with units for
   matrix products (AMX), which a library of their own drives better. */
#include "softmax.h"

enum { HALF = WIDTH / 2 };

/* Semantics by a product (images, regions, 2 attributes) in bfloat16; `keep` leaves the attention
   where the logits were. Scratch holds `n_regions` x WIDTH floats a thread. */
EXPORT void zs_soften_product(low *product, ptrdiff_t n_images, ptrdiff_t n_regions,
                              ptrdiff_t n_attributes, float *semantics, ptrdiff_t keep, float *scratch,
                              int n_threads) {
#pragma omp parallel for num_threads(n_threads) schedule(dynamic, 1)
  for (ptrdiff_t image = 0; image < n_images; image++) {
    float *tile = scratch + omp_get_thread_num() * n_regions * WIDTH;
    low *of_image = product + image * n_regions * 2 * n_attributes;
    for (ptrdiff_t k = 0; k < n_attributes; k += HALF) {
      for (ptrdiff_t r = 0; r < n_regions; r++)
        for (int j = 0; j < HALF; j += LANES) {
          __mmask16 mask = lanes_below(n_attributes - k - j);
          const low *at = of_image + r * 2 * n_attributes + k + j;
          _mm512_storeu_ps(tile + r * WIDTH + j, load_low(at, mask));
          _mm512_storeu_ps(tile + r * WIDTH + HALF + j, load_low(at + n_attributes, mask));
        }
      for (int j = 0; j < HALF; j += LANES) {
        __mmask16 mask = lanes_below(n_attributes - k - j);
        __m512 sum = soften(tile + j, tile + HALF + j, n_regions, WIDTH, mask, keep != 0);
        _mm512_mask_storeu_ps(semantics + image * n_attributes + k + j, mask, sum);
        for (ptrdiff_t r = 0; keep && r < n_regions; r++)
          store_low(of_image + r * 2 * n_attributes + k + j, mask,
                    _mm512_loadu_ps(tile + r * WIDTH + j));
      }
    }
  }
}

/* The gradient by the product, from the attention and values that are in `kept`. */
EXPORT void zs_slope_product(const low *kept, low *slopes, const float *semantics,
                             const float *outer, ptrdiff_t n_images, ptrdiff_t n_regions,
                             ptrdiff_t n_attributes, int n_threads) {
#pragma omp parallel for num_threads(n_threads)
  for (ptrdiff_t row = 0; row < n_images * n_regions; row++) {
    const float *s = semantics + row / n_regions * n_attributes;
    const float *by_s = outer + row / n_regions * n_attributes;
    ptrdiff_t logits = row * 2 * n_attributes, values = logits + n_attributes;
    for (ptrdiff_t k = 0; k < n_attributes; k += LANES) {
      __mmask16 mask = lanes_below(n_attributes - k);
      __m512 by_value = _mm512_maskz_loadu_ps(mask, by_s + k);
      by_value = _mm512_mul_ps(load_low(kept + logits + k, mask), by_value);
      __m512 rest = load_low(kept + values + k, mask);
      rest = _mm512_sub_ps(rest, _mm512_maskz_loadu_ps(mask, s + k));
      store_low(slopes + logits + k, mask, _mm512_mul_ps(rest, by_value));
      store_low(slopes + values + k, mask, by_value);
    }
  }
}
