/* The objective (Eqs. 5-11, in the released form) of a batch, and its gradients, by a team of
   threads. Whatever the number of threads, sums are taken in the same order. */
#ifndef ZSLEARN_OBJECTIVE_H
#define ZSLEARN_OBJECTIVE_H

#include "products.h"

typedef enum { CE, CAL, CC, SCI, TCI, N_TERMS } term;

/* Sums over the entries of a group of attributes. */
typedef struct {
  double above, below, gaps;                 /* of what correlation and intervention compare */
  double s, s_squares, target, target_squares; /* of entries less the first of all */
  ptrdiff_t n_above, n_below;
} attribute_sums;

/* What an image adds to the terms that compare class scores. */
typedef struct {
  double ce, tci, share_of_unseen; /* the logarithm of its probability of unseen classes */
} image_sums;

typedef struct {
  ptrdiff_t n_images, n_attributes, n_classes;
  const float *s, *z, *s_other, *z_other; /* semantic vectors, logits, and both counterfactual */
  const int64_t *y;
  const float *table; /* of class attributes */
  const uint8_t *unseen;
  float alpha, bias;
  unsigned wanted;      /* bit i asks for term i */
  const float *weights; /* of the sum whose gradients are wanted, or NULL for no gradients */
  float *by_s, *by_z, *by_s_other, *by_z_other;

  attribute_sums *of_groups; /* 16 attributes each */
  image_sums *of_images;
  float *standard[2], *target, *scale; /* standardised s, s_other and targets; 1 / deviation of s */
  float *rows;                         /* 3 rows of classes for each thread */
} objective;

/* Each is called by all threads of a team; all must be through with the first before any begins the
   second. */
void zs_compare_attributes(const objective *o);
void zs_differentiate_attributes(const objective *o, const attribute_sums *total);
void zs_compare_classes(const objective *o);
void zs_differentiate_calibration(const objective *o, double log_total);

/* Sums over all groups; log of the sum over all images of their probability of unseen classes. */
attribute_sums zs_sum_groups(const objective *o);
double zs_log_total(const objective *o);

/* Mean of the entries of s, and how much less their unbiased variance is than that of targets. */
float zs_mean_semantics(const objective *o, const attribute_sums *total);
double zs_spread_gap(const objective *o, const attribute_sums *total);

#endif
