/* parallel-failure.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-step.h"

G_BEGIN_DECLS

/* The lines of an aggregated error: the first failures in queue order, in a bounded number. */
typedef struct
{
  gint64  index;
  char   *text;
} ParallelFailureLine;

void    parallel_failure_line_free (ParallelFailureLine *line);

/* The line of one failed step: "name: what happened (after 1.2 s); last output: …". */
char   *parallel_failure_describe  (ParallelStep        *step);

/* Puts a copy of @text in its place, if it is among the first. */
void    parallel_failure_line_add  (GPtrArray           *lines,
                                    gint64               index,
                                    const char          *text);

/* The aggregated error. */
GError *parallel_failure_join      (GPtrArray           *lines,
                                    guint64              n_failed,
                                    guint64              n_steps);

G_END_DECLS
