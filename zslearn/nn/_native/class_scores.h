/* Class scores z = scale s T^T of semantic vectors s and classes T of unit length, Eq. 4, and their
   gradient by s, by a team of threads. */
#ifndef ZSLEARN_CLASS_SCORES_H
#define ZSLEARN_CLASS_SCORES_H

#include "products.h"

typedef struct {
  ptrdiff_t n_images, n_attributes, n_classes;
  const float *classes; /* T */
  float scale;
} class_scores;

/* Scores of up to 4 images from one on; those behind them are not there. */
void zs_score_images(const class_scores *c, const float *s, ptrdiff_t image, ptrdiff_t n, float *z);

/* Add the gradient by the semantic vectors, for 64 attributes from one on, to `by_s`. */
void zs_differentiate_scores(const class_scores *c, const float *by_z, ptrdiff_t attribute,
                             float *by_s);

#endif
