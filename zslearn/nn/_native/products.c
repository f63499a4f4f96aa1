/* The innermost loop of every product, and the packing of right factors. */
#include "products.h"

/* Compilers keep `sums` in registers because rows and groups are constants wherever this is
   inlined: 7 x 4 sums, 4 pairs of the right factor, and those of the left from memory. */
INLINE void multiply(const int rows, const int groups, ptrdiff_t n, left_factor left,
                     const pair *right, ptrdiff_t right_step, float *out) {
  __m512 sums[TILE_ROWS][GROUPS];
#pragma GCC unroll 7
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (int j = 0; j < groups; j++) sums[i][j] = _mm512_setzero_ps();
  const pair *at = left.at;
  for (ptrdiff_t k = 0; k < n; k++) {
    __m512bh column[GROUPS];
#pragma GCC unroll 4
    for (int j = 0; j < groups; j++)
      column[j] = (__m512bh)_mm512_loadu_si512(right + LANES * j);
#pragma GCC unroll 7
    for (int i = 0; i < rows; i++) {
      __m512bh x = (__m512bh)_mm512_set1_epi32((int)at[i * left.row]);
#pragma GCC unroll 4
      for (int j = 0; j < groups; j++) sums[i][j] = _mm512_dpbf16_ps(sums[i][j], x, column[j]);
    }
    at += left.step;
    right += right_step;
  }
#pragma GCC unroll 7
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (int j = 0; j < groups; j++) _mm512_storeu_ps(out + i * WIDTH + j * LANES, sums[i][j]);
}

typedef void tile_function(ptrdiff_t, left_factor, const pair *, ptrdiff_t, float *);

#define TILE(rows, groups)                                                                    \
  static void tile_##rows##_##groups(ptrdiff_t n, left_factor left, const pair *right,        \
                                     ptrdiff_t right_step, float *out) {                      \
    multiply(rows, groups, n, left, right, right_step, out);                                  \
  }
#define TILES(rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 3) TILE(rows, 4)
#define NAMES(rows) {tile_##rows##_1, tile_##rows##_2, tile_##rows##_3, tile_##rows##_4}

TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6) TILES(7)

static tile_function *const tile_functions[TILE_ROWS][GROUPS] = {
    NAMES(1), NAMES(2), NAMES(3), NAMES(4), NAMES(5), NAMES(6), NAMES(7)};

void zs_tile(int rows, int groups, ptrdiff_t n, left_factor left, const pair *right,
             ptrdiff_t right_step, float *out) {
  tile_functions[rows - 1][groups - 1](n, left, right, right_step, out);
}

/* Transpose 16 x 16 pairs, rows in and columns out. */
INLINE void transpose(__m512i x[LANES]) {
  __m512i y[LANES];
#pragma GCC unroll 8
  for (int i = 0; i < LANES; i += 2) {
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < LANES; i += 4) {
    x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    y[i] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0x88);
    y[i + 4] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0xdd);
    y[i + 8] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0x88);
    y[i + 12] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    x[i] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0x88);
    x[i + 8] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0xdd);
    x[i + 4] = _mm512_shuffle_i32x4(y[i + 4], y[i + 12], 0x88);
    x[i + 12] = _mm512_shuffle_i32x4(y[i + 4], y[i + 12], 0xdd);
  }
}

/* Write the first n rows of a transposed block. */
INLINE void store_block(__m512i block[LANES], ptrdiff_t n, pair *to, ptrdiff_t step) {
  transpose(block);
  for (ptrdiff_t i = 0; i < least(n, LANES); i++) _mm512_storeu_si512(to + i * step, block[i]);
}

void zs_pack_columns(const low *from, ptrdiff_t stride, ptrdiff_t n_rows, ptrdiff_t n_pairs,
                     pair *to, ptrdiff_t step) {
  for (ptrdiff_t k = 0; k < n_pairs; k += LANES) {
    __m512i block[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) {
      __mmask16 mask = i < n_rows ? lanes_below(n_pairs - k) : 0;
      block[i] = _mm512_maskz_loadu_epi32(mask, from + i * stride + 2 * k);
    }
    store_block(block, n_pairs - k, to + k * step, step);
  }
}

void zs_pack_float_columns(const float *from, ptrdiff_t stride, ptrdiff_t n_rows,
                           ptrdiff_t n_pairs, pair *to, ptrdiff_t step) {
  for (ptrdiff_t k = 0; k < n_pairs; k += LANES) {
    __m512i block[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) {
      ptrdiff_t left = i < n_rows ? 2 * (n_pairs - k) : 0;
      const float *at = from + i * stride + 2 * k;
      __m512 first = _mm512_maskz_loadu_ps(lanes_below(left), at);
      __m512 second = _mm512_maskz_loadu_ps(lanes_below(left - LANES), at + LANES);
      block[i] = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    }
    store_block(block, n_pairs - k, to + k * step, step);
  }
}

void zs_pack_rows(const low *from, ptrdiff_t stride, ptrdiff_t n_rows, ptrdiff_t n_columns,
                  int groups, pair *to) {
  for (ptrdiff_t row = 0; row < n_rows; row += 2)
    for (int j = 0; j < groups; j++, to += LANES) {
      __mmask16 mask = lanes_below(n_columns - LANES * j);
      const low *at = from + row * stride + LANES * j;
      /* Rows lie too far from each other to be fetched ahead unasked. */
      _mm_prefetch(at + 16 * stride, _MM_HINT_T0);
      _mm_prefetch(at + 17 * stride, _MM_HINT_T0);
      __m256i first = _mm256_maskz_loadu_epi16(mask, at);
      __m256i second = _mm256_maskz_loadu_epi16(row + 1 < n_rows ? mask : 0, at + stride);
      _mm512_storeu_si512(to, interleave(first, second));
    }
}
