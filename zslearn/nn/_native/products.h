/* Matrix products of bfloat16 numbers, summed in float32.

   Two numbers that follow each other along the summed axis make a pair, which one instruction
   multiplies and adds. The left factor is read pair by pair wherever it lies; the right factor is
   packed: for each step along the summed axis, the pairs of up to 64 columns side by side. */
#ifndef ZSLEARN_PRODUCTS_H
#define ZSLEARN_PRODUCTS_H

#include <immintrin.h>
#include <omp.h>
#include <stddef.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))
#define EXPORT __attribute__((visibility("default")))

enum { LANES = 16, GROUPS = 4, WIDTH = LANES * GROUPS, TILE_ROWS = 7 };

typedef uint32_t pair;
typedef uint16_t low;  /* a bfloat16 number */

/* Pair k of row i lies at `at[i * row + k * step]`. */
typedef struct {
  const pair *at;
  ptrdiff_t row, step;
} left_factor;

INLINE ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
INLINE ptrdiff_t most(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
INLINE ptrdiff_t divide_up(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }

/* Mask of the lanes below n. */
INLINE __mmask16 lanes_below(ptrdiff_t n) {
  return n >= LANES ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

INLINE __m512 widen(__m256i x) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

INLINE __m512 load_low(const low *from, __mmask16 mask) {
  return widen(_mm256_maskz_loadu_epi16(mask, from));
}

INLINE void store_low(low *to, __mmask16 mask, __m512 x) {
  _mm256_mask_storeu_epi16(to, mask, (__m256i)_mm512_cvtneps_pbh(x));
}

/* Pairs of the bfloat16 lanes of two rows. */
INLINE __m512i interleave(__m256i first, __m256i second) {
  return _mm512_or_si512(_mm512_cvtepu16_epi32(first),
                         _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16));
}

/* Where part i of n begins, if `total` things are shared as evenly as can be. */
INLINE ptrdiff_t share(ptrdiff_t total, ptrdiff_t i, ptrdiff_t n) { return total * i / n; }

/* rows x (16 groups) of a product over n pairs, into `out` of WIDTH floats a row. */
void zs_tile(int rows, int groups, ptrdiff_t n, left_factor left, const pair *right,
             ptrdiff_t right_step, float *out);

/* The product of any number of rows, in tiles of about equal height. */
INLINE void tiles(ptrdiff_t rows, int groups, ptrdiff_t n, left_factor left, const pair *right,
                  ptrdiff_t right_step, float *out) {
  ptrdiff_t n_tiles = divide_up(rows, TILE_ROWS);
  for (ptrdiff_t t = 0; t < n_tiles; t++) {
    ptrdiff_t start = share(rows, t, n_tiles), stop = share(rows, t + 1, n_tiles);
    left_factor part = {left.at + start * left.row, left.row, left.step};
    zs_tile((int)(stop - start), groups, n, part, right, right_step, out + start * WIDTH);
  }
}

/* Pack up to 16 rows, two numbers of a row to a pair, as columns: pair k of row i goes to lane i of
   `to[k * step]`. The lanes of rows that are not there are zero. */
void zs_pack_columns(const low *from, ptrdiff_t stride, ptrdiff_t n_rows, ptrdiff_t n_pairs,
                     pair *to, ptrdiff_t step);
void zs_pack_float_columns(const float *from, ptrdiff_t stride, ptrdiff_t n_rows,
                           ptrdiff_t n_pairs, pair *to, ptrdiff_t step);

/* Pack columns of which row 2k and row 2k + 1 make pair k; beyond `n_rows` and `n_columns` are
   zeros. `groups` of 16 columns lie side by side. */
void zs_pack_rows(const low *from, ptrdiff_t stride, ptrdiff_t n_rows, ptrdiff_t n_columns,
                  int groups, pair *to);

#endif
