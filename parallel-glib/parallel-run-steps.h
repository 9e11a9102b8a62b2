/* parallel-run-steps.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (PARALLEL_INSIDE) && !defined (PARALLEL_COMPILATION)
# error "Only <parallel-glib/parallel.h> can be included directly."
#endif

#include <parallel-glib/parallel-step.h>

G_BEGIN_DECLS

PARALLEL_AVAILABLE_IN_ALL
gboolean parallel_run_steps        (GPtrArray            *steps,
                                    guint                 max_parallel,
                                    gboolean              halt_on_error,
                                    GCancellable         *cancellable,
                                    GError              **error);

PARALLEL_AVAILABLE_IN_ALL
void     parallel_run_steps_async  (GPtrArray            *steps,
                                    guint                 max_parallel,
                                    gboolean              halt_on_error,
                                    GCancellable         *cancellable,
                                    GAsyncReadyCallback   callback,
                                    gpointer              user_data);

PARALLEL_AVAILABLE_IN_ALL
gboolean parallel_run_steps_finish (GAsyncResult         *result,
                                    GError              **error);

G_END_DECLS
