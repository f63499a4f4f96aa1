/* What the projections and their gradient share: panels of W_q and W_sv, and rows of tiles. */
#ifndef ZSLEARN_PROJECTION_H
#define ZSLEARN_PROJECTION_H

#include "products.h"

enum { ROWS_AT_ONCE = 8 * TILE_ROWS };

/* A panel of columns of W: those from `column` on, of W_q (half 0) or W_sv (half 1). */
typedef struct {
  ptrdiff_t half, column;
  int groups;
} columns;

INLINE columns columns_of(ptrdiff_t task, ptrdiff_t n_features) {
  ptrdiff_t n_panels = divide_up(n_features, WIDTH), column = task % n_panels * WIDTH;
  int groups = (int)least(GROUPS, divide_up(n_features - column, LANES));
  return (columns){task / n_panels, column, groups};
}

/* Pairs of scratch a thread packs a panel of W, or of its gradient, in. */
EXPORT ptrdiff_t zs_projection_pairs(ptrdiff_t n_attributes, ptrdiff_t width);

#endif
