/* s = sum_r softmax_r(F Q^T) * (F E^T) and its gradient by [Q; E], Eqs. 1-3 in one pass over F.

   A panel is up to 32 queries and, right behind them, the embeddings of the same attributes: what an
   image has by a panel stays in the cache from the product to the weighted sum. Kept for the
   gradient, in bfloat16 and side by side, (images, regions, 2 attributes): the attention, and the
   values less their weighted sum, which says nothing where all values are alike. */
#include "softmax.h"

enum { HALF = WIDTH / 2 };

EXPORT ptrdiff_t zs_n_panels(ptrdiff_t n_attributes) { return divide_up(n_attributes, HALF); }

/* Rows of a tile of every thread's scratch, of WIDTH floats each. */
EXPORT ptrdiff_t zs_tile_rows(ptrdiff_t n_regions) { return most(n_regions, 8 * TILE_ROWS); }

/* Pack [Q; E] into panels of (n_features / 2) x WIDTH pairs. */
EXPORT void zs_pack_panels(const low *weights, ptrdiff_t n_attributes, ptrdiff_t n_features,
                           pair *panels, int n_threads) {
  ptrdiff_t n_pairs = n_features / 2, n_panels = zs_n_panels(n_attributes);
  /* In parts along the features: the lanes of one group are written after those below them. */
  ptrdiff_t n_parts = divide_up(n_pairs, 8 * LANES);
#pragma omp parallel for num_threads(n_threads)
  for (ptrdiff_t task = 0; task < n_panels * n_parts; task++) {
    ptrdiff_t panel = task / n_parts, start = task % n_parts * 8 * LANES;
    ptrdiff_t n = least(8 * LANES, n_pairs - start), first = panel * HALF;
    ptrdiff_t n_valid = least(HALF, n_attributes - first);
    pair *to = panels + (panel * n_pairs + start) * WIDTH;
    for (ptrdiff_t half = 0; half < 2; half++)
      for (ptrdiff_t lane = 0; lane < n_valid; lane += LANES) {
        const low *from = weights + (half * n_attributes + first + lane) * n_features + 2 * start;
        zs_pack_columns(from, n_features, n_valid - lane, n, to + half * n_valid + lane, WIDTH);
      }
  }
}

/* Semantics of an image by the attributes of a panel, from its product in `tile`; `kept` is where
   the attention for the first of them goes, or NULL. */
static void finish_panel(float *tile, ptrdiff_t n_regions, ptrdiff_t n_valid,
                         ptrdiff_t n_attributes, float *semantics, low *kept) {
  for (ptrdiff_t lane = 0; lane < n_valid; lane += LANES) {
    float *logits = tile + lane, *values = tile + n_valid + lane;
    __mmask16 mask = lanes_below(n_valid - lane);
    __m512 sum = soften(logits, values, n_regions, WIDTH, mask, kept != NULL);
    _mm512_mask_storeu_ps(semantics + lane, mask, sum);
    for (ptrdiff_t r = 0; kept && r < n_regions; r++) {
      low *to = kept + r * 2 * n_attributes + lane;
      store_low(to, mask, _mm512_loadu_ps(logits + r * WIDTH));
      store_low(to + n_attributes, mask, _mm512_sub_ps(_mm512_loadu_ps(values + r * WIDTH), sum));
    }
  }
}

/* Image i of the batch is image i of `regions`, or image `images[i]` where that is not NULL. */
EXPORT void zs_attend(const low *regions, const int64_t *images, const pair *panels,
                      ptrdiff_t n_images, ptrdiff_t n_regions, ptrdiff_t n_features,
                      ptrdiff_t n_attributes, float *semantics, low *kept, float *scratch,
                      int n_threads) {
  ptrdiff_t n_pairs = n_features / 2, n_panels = zs_n_panels(n_attributes);
  /* Images with few regions, side by side, share tiles; small tasks make up for a thread that is
     held up. */
  ptrdiff_t together = images ? 1 : most(1, zs_tile_rows(n_regions) / n_regions);
  ptrdiff_t n_tasks = divide_up(n_images, together);
#pragma omp parallel for num_threads(n_threads) schedule(dynamic, 1)
  for (ptrdiff_t task = 0; task < n_tasks; task++) {
    ptrdiff_t image = task * together, n = least(together, n_images - image);
    ptrdiff_t first_row = (images ? images[image] : image) * n_regions;
    left_factor left = {(const pair *)regions + first_row * n_pairs, n_pairs, 1};
    float *tile = scratch + omp_get_thread_num() * zs_tile_rows(n_regions) * WIDTH;
    for (ptrdiff_t panel = 0; panel < n_panels; panel++) {
      ptrdiff_t n_valid = least(HALF, n_attributes - panel * HALF);
      int groups = (int)divide_up(2 * n_valid, LANES);
      const pair *right = panels + panel * n_pairs * WIDTH;
      tiles(n * n_regions, groups, n_pairs, left, right, WIDTH, tile);
      for (ptrdiff_t i = image; i < image + n; i++) {
        ptrdiff_t at = panel * HALF;
        low *to = kept ? kept + i * n_regions * 2 * n_attributes + at : NULL;
        finish_panel(tile + (i - image) * n_regions * WIDTH, n_regions, n_valid, n_attributes,
                     semantics + i * n_attributes + at, to);
      }
    }
  }
}
