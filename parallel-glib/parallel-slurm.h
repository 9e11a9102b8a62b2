/* parallel-slurm.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What Slurm says of its allocations. Any thread. */

/* Where a launcher can start something. */
typedef struct
{
  char  *node;      /* NULL: the launcher's only place */
  guint  n_slots;   /* 0: not known */
} ParallelPlace;

ParallelPlace *parallel_place_new   (const char *node,
                                     guint       n_slots);
void           parallel_place_free  (gpointer    place);

/* No more are taken seriously. */
#define PARALLEL_SLURM_MAX_NODES 65536

/* "n[1-3,07],login" as n1, n2, n3, n07, login; of strings. */
GPtrArray *parallel_slurm_expand_nodes (const char  *text,
                                        GError     **error);

/* "4(x3),2" as 4, 4, 4, 2; of guint. */
GArray    *parallel_slurm_expand_cpus  (const char  *text,
                                        GError     **error);

/* The places of the allocation in whose environment @env is; of ParallelPlace. */
GPtrArray *parallel_slurm_find_places  (const char * const *env,
                                        GError            **error);

/* A job's or a step's id, which goes into an argument. */
gboolean   parallel_slurm_is_id        (const char *text);

G_END_DECLS
