/* parallel-gtask-call.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-step.h"

G_BEGIN_DECLS

/* Calls @function in this thread with a GTask of its own and waits until that has returned
 * something, which becomes the step's result. */
gboolean parallel_gtask_call (GTaskThreadFunc   function,
                              GType             result_type,
                              gpointer          task_data,
                              ParallelStep     *step,
                              GCancellable     *cancellable,
                              GError          **error);

G_END_DECLS
