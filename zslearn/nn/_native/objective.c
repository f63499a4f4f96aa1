/* The objective by compiled code: of what a network puts out, or right from its semantic vectors. */
#include <math.h>

#include "class_scores.h"
#include "objective.h"

/* Scratch in one piece, wherever it begins; returns its bytes. */
static ptrdiff_t divide_scratch(objective *o, ptrdiff_t n_threads, char *scratch) {
  ptrdiff_t n_groups = divide_up(o->n_attributes, LANES), n = n_groups * LANES * o->n_images;
  char *at = scratch;
#define TAKE(member, type, count) o->member = (type *)at, at += (count) * (ptrdiff_t)sizeof(type)
  TAKE(of_groups, attribute_sums, n_groups);
  TAKE(of_images, image_sums, o->n_images);
  TAKE(standard[0], float, n);
  TAKE(standard[1], float, n);
  TAKE(target, float, n);
  TAKE(scale, float, n_groups * LANES);
  TAKE(rows, float, n_threads * 3 * o->n_classes);
#undef TAKE
  return at - scratch;
}

/* Terms, and the gradients if they are wanted, by a team. */
static void evaluate(const objective *o, float *terms) {
  zs_compare_attributes(o);
  zs_compare_classes(o);
#pragma omp barrier
  attribute_sums total = zs_sum_groups(o);
  double log_total = o->wanted >> CAL & 1 ? zs_log_total(o) : 0;
  if (o->weights) {
    zs_differentiate_attributes(o, &total);
    if (o->wanted >> CAL & 1) zs_differentiate_calibration(o, log_total);
  }
#pragma omp master
  if (terms) {
    double ce = 0, tci = 0, n = (double)o->n_images;
    for (ptrdiff_t b = 0; b < o->n_images; b++)
      ce += o->of_images[b].ce, tci += o->of_images[b].tci;
    terms[CE] = (float)(ce / n);
    terms[TCI] = (float)(tci / n);
    terms[CAL] = o->wanted >> CAL & 1 ? (float)(log(n) - log_total) : 0;
    terms[CC] = (float)(total.above / (double)total.n_above +
                        o->alpha * total.below / (double)total.n_below +
                        fabs(zs_spread_gap(o, &total)));
    terms[SCI] = (float)(total.gaps / (n * (double)o->n_attributes));
  }
}

static int has_other_classes(const int64_t *y, ptrdiff_t n_images, ptrdiff_t n_classes) {
  for (ptrdiff_t b = 0; b < n_images; b++)
    if (y[b] < 0 || y[b] >= n_classes) return 1;
  return 0;
}

/* Bytes of scratch of either function below. */
EXPORT ptrdiff_t zs_objective_bytes(ptrdiff_t n_images, ptrdiff_t n_attributes,
                                    ptrdiff_t n_classes, ptrdiff_t n_threads) {
  objective o = {.n_images = n_images, .n_attributes = n_attributes, .n_classes = n_classes};
  ptrdiff_t of_gradients = n_images * (2 * n_classes + n_attributes) * (ptrdiff_t)sizeof(float);
  return divide_scratch(&o, n_threads, NULL) + of_gradients;
}

/* Terms of the objective unless `terms` is NULL, and the gradients of their weighted sum unless
   `weights` is. `settings` are alpha and the calibration bias.
   Bit i of `wanted` asks for term i. Returns whether a class index is none. */
EXPORT int zs_objective(const float *s, const float *z, const float *s_other, const float *z_other,
                        const int64_t *y, const float *table, const uint8_t *unseen,
                        const float *settings, ptrdiff_t n_images, ptrdiff_t n_attributes,
                        ptrdiff_t n_classes, ptrdiff_t wanted, char *scratch, float *terms,
                        const float *weights, float *by_s, float *by_z, float *by_s_other,
                        float *by_z_other, int n_threads) {
  objective o = {.n_images = n_images, .n_attributes = n_attributes, .n_classes = n_classes,
                 .s = s, .z = z, .s_other = s_other, .z_other = z_other, .y = y, .table = table,
                 .unseen = unseen, .alpha = settings[0], .bias = settings[1],
                 .wanted = (unsigned)wanted, .weights = weights, .by_s = by_s, .by_z = by_z,
                 .by_s_other = by_s_other, .by_z_other = by_z_other};
  if (has_other_classes(y, n_images, n_classes)) return 1;
  divide_scratch(&o, n_threads, scratch);
#pragma omp parallel num_threads(n_threads)
  evaluate(&o, terms);
  return 0;
}

/* The same from semantic vectors on: counterfactual vectors are `noise` times the lengths of the
   embeddings, class scores the products with unit-length `classes`; both are written too. The
   gradients are those by semantic vectors and lengths. `settings` are alpha, the calibration bias,
   the scale of scores and the deviation of counterfactual features. */
EXPORT int zs_objective_of_semantics(
    const float *s, const float *noise, const float *lengths, const float *classes,
    const int64_t *y, const float *table, const uint8_t *unseen, const float *settings,
    ptrdiff_t n_images, ptrdiff_t n_attributes, ptrdiff_t n_classes, ptrdiff_t wanted,
    char *scratch, float *z, float *s_other, float *z_other, float *terms, const float *weights,
    float *by_s, float *by_lengths, int n_threads) {
  if (has_other_classes(y, n_images, n_classes)) return 1;
  objective o = {.n_images = n_images, .n_attributes = n_attributes, .n_classes = n_classes,
                 .s = s, .z = z, .s_other = s_other, .z_other = z_other, .y = y, .table = table,
                 .unseen = unseen, .alpha = settings[0], .bias = settings[1],
                 .wanted = (unsigned)wanted, .weights = weights, .by_s = by_s};
  class_scores scores = {n_images, n_attributes, n_classes, classes, settings[2]};
  float deviation = settings[3];
  char *rest = scratch + divide_scratch(&o, n_threads, scratch);
  o.by_z = (float *)rest, o.by_z_other = o.by_z + n_images * n_classes;
  o.by_s_other = o.by_z_other + n_images * n_classes;
  ptrdiff_t n_blocks = divide_up(n_images, 4), n_panels = divide_up(n_attributes, WIDTH);
#pragma omp parallel num_threads(n_threads)
  {
#pragma omp for schedule(dynamic, 1)
    for (ptrdiff_t task = 0; task < 2 * n_blocks; task++) {
      ptrdiff_t image = task / 2 * 4, n = least(4, n_images - image);
      if (task % 2 == 0) {
        zs_score_images(&scores, s, image, n, z);
        continue;
      }
      for (ptrdiff_t b = image; b < image + n; b++)
        for (ptrdiff_t k = 0; k < n_attributes; k++)
          s_other[b * n_attributes + k] = deviation * lengths[k] * noise[b * n_attributes + k];
      zs_score_images(&scores, s_other, image, n, z_other);
    }
    evaluate(&o, terms);
#pragma omp barrier
#pragma omp for schedule(dynamic, 1)
    for (ptrdiff_t task = 0; task < 2 * n_panels; task++) {
      ptrdiff_t first = task / 2 * WIDTH, stop = least(n_attributes, first + WIDTH);
      if (task % 2 == 0) {
        zs_differentiate_scores(&scores, o.by_z, first, by_s);
        continue;
      }
      zs_differentiate_scores(&scores, o.by_z_other, first, o.by_s_other);
      for (ptrdiff_t k = first; k < stop; k++) by_lengths[k] = 0;
      for (ptrdiff_t b = 0; b < n_images; b++)
        for (ptrdiff_t k = first; k < stop; k++)
          by_lengths[k] += deviation * o.by_s_other[b * n_attributes + k] * noise[b * n_attributes + k];
    }
  }
  return 0;
}
