/* Regions of unit length in bfloat16, read once, and images gathered from them. */
#include <string.h>

#include "products.h"

typedef enum { FLOAT32, FLOAT16, BFLOAT16, UINT8 } kind_of_number;

INLINE __m512 load_any(const char *from, kind_of_number kind, ptrdiff_t at, __mmask16 mask) {
  switch (kind) {
    case FLOAT32: return _mm512_maskz_loadu_ps(mask, (const float *)from + at);
    case FLOAT16: return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, (const low *)from + at));
    case BFLOAT16: return load_low((const low *)from + at, mask);
    default:
      return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, from + at)));
  }
}

/* Write one region; returns whether its length is none that float32 can square and divide by. */
INLINE int normalize_region(const char *from, const kind_of_number kind, ptrdiff_t n_features,
                            low *to) {
  __m512 sums[4];
  for (int j = 0; j < 4; j++) sums[j] = _mm512_setzero_ps();
  __mmask16 some = 0;
  for (ptrdiff_t i = 0; i < n_features; i += 4 * LANES)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
      __m512 x = load_any(from, kind, i + j * LANES, lanes_below(n_features - i - j * LANES));
      some |= _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NEQ_UQ);
      sums[j] = _mm512_fmadd_ps(x, x, sums[j]);
    }
  float squares = _mm512_reduce_add_ps(
      _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
  int is_odd = some && !(squares > 1e-24f && squares < 1e24f);
  __m512 scale = _mm512_set1_ps(some && !is_odd ? 1.0f : 0.0f);
  if (some && !is_odd) {
    __m512 length = _mm512_sqrt_ps(_mm512_set1_ps(squares));
    scale = _mm512_div_ps(scale, length);
  }
  for (ptrdiff_t i = 0; i < n_features; i += LANES) {
    __mmask16 mask = lanes_below(n_features - i);
    store_low(to + i, mask, _mm512_mul_ps(load_any(from, kind, i, mask), scale));
  }
  return is_odd;
}

/* Normalise the regions of images; `odd` tells which of them have a region that this cannot. */
EXPORT void zs_normalize(const char *from, ptrdiff_t kind, ptrdiff_t n_images, ptrdiff_t n_regions,
                         ptrdiff_t n_features, low *to, uint8_t *odd, int n_threads) {
#pragma omp parallel for num_threads(n_threads)
  for (ptrdiff_t image = 0; image < n_images; image++) {
    int is_odd = 0;
    for (ptrdiff_t row = image * n_regions; row < (image + 1) * n_regions; row++) {
      ptrdiff_t at = row * n_features;
      switch (kind) {
        case FLOAT32: is_odd |= normalize_region(from + 4 * at, FLOAT32, n_features, to + at); break;
        case FLOAT16: is_odd |= normalize_region(from + 2 * at, FLOAT16, n_features, to + at); break;
        case BFLOAT16: is_odd |= normalize_region(from + 2 * at, BFLOAT16, n_features, to + at); break;
        default: is_odd |= normalize_region(from + at, UINT8, n_features, to + at);
      }
    }
    odd[image] = (uint8_t)is_odd;
  }
}

/* Copy some images, of `n_bytes` each. */
EXPORT void zs_gather(const char *from, const int64_t *images, ptrdiff_t n_images,
                      ptrdiff_t n_bytes, char *to, int n_threads) {
#pragma omp parallel for num_threads(n_threads) schedule(dynamic, 1)
  for (ptrdiff_t i = 0; i < n_images; i++)
    memcpy(to + i * n_bytes, from + images[i] * n_bytes, (size_t)n_bytes);
}
