/* make-steps.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <parallel-glib/parallel.h>

G_BEGIN_DECLS

ParallelStep *make_step_for_command   (const char   *command) G_GNUC_WARN_UNUSED_RESULT;
ParallelStep *make_step_again         (ParallelStep *step) G_GNUC_WARN_UNUSED_RESULT;
GPtrArray    *make_demonstration      (void) G_GNUC_WARN_UNUSED_RESULT;
GPtrArray    *make_quick_steps        (guint         n_steps) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
