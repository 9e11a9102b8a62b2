/* parallel-pool-places.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The places at which a launcher runs the workers of a pool: how many are at each, and which of them are of no use at the
 * moment. Engine thread only. Times are monotonic, in microseconds. */
typedef struct _ParallelPoolPlaces ParallelPoolPlaces;

/* @places: of ParallelPlace, which stay as long as this. */
ParallelPoolPlaces *parallel_pool_places_new         (const GPtrArray    *places);
void                parallel_pool_places_free        (ParallelPoolPlaces *self);

/* The place for one more worker, which is counted there; -1: all that are up are full. */
int                 parallel_pool_places_take        (ParallelPoolPlaces *self,
                                                      gint64              now);
/* One that was taken is free again. */
void                parallel_pool_places_give_back   (ParallelPoolPlaces *self,
                                                      guint               index);
/* A worker was lost there, or could not start: it is left alone for a while, longer each time. */
void                parallel_pool_places_set_down    (ParallelPoolPlaces *self,
                                                      guint               index,
                                                      gint64              now);
/* A worker has come up there. */
void                parallel_pool_places_set_up      (ParallelPoolPlaces *self,
                                                      guint               index);
gboolean            parallel_pool_places_any_up      (ParallelPoolPlaces *self,
                                                      gint64              now);
/* When the next one that is down may be tried again; G_MAXINT64: none is. */
gint64              parallel_pool_places_get_next    (ParallelPoolPlaces *self,
                                                      gint64              now);
/* Of all together; 0: not known. */
guint               parallel_pool_places_get_n_slots (ParallelPoolPlaces *self);

G_END_DECLS
