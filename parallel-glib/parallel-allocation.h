/* parallel-allocation.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-slurm.h"

G_BEGIN_DECLS

/* An allocation of Slurm's, held by a process, salloc, that lets go of it when this program ends in any way. Engine thread only. */
typedef struct _ParallelAllocation ParallelAllocation;

/* After failed or ended there is no allocation any more. None is called from within the functions below. */
typedef struct
{
  /* Takes @places. */
  void (*granted) (gpointer    owner,
                   const char *job,
                   GPtrArray  *places);
  /* There will be none. Takes @error. */
  void (*failed)  (gpointer    owner,
                   GError     *error);
  /* It was granted, and somebody else has ended it. */
  void (*ended)   (gpointer    owner);
} ParallelAllocationFuncs;

/* @options: for salloc. @patience: in seconds, 0 for what is free, negative for no limit. NULL with @error if it could not be
 * asked for. */
ParallelAllocation *parallel_allocation_start (const char * const             *options,
                                               double                          patience,
                                               const ParallelAllocationFuncs  *funcs,
                                               gpointer                        owner,
                                               GError                        **error);

/* Lets go of it, granted or not. No function is called any more. */
void                parallel_allocation_close (ParallelAllocation             *self);

G_END_DECLS
