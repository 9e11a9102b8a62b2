/* fault-support.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "../test-support.h"

G_BEGIN_DECLS

/* What the tests of faults share. */

/* Whether PARALLEL_TEST_LONG asks for the long versions. */
gboolean  fault_is_long            (void);
/* How often, or how many: @quick in the normal tests, @many in the long ones, and fewer where all is slow. */
guint     fault_count              (guint                         quick,
                                    guint                         many);
/* A long version has a hard time limit of its own. */
void      fault_allow_seconds      (guint                         seconds);

gboolean  fault_step_is_over       (ParallelStep                 *step);
gboolean  fault_all_over           (GPtrArray                    *steps);
guint     fault_count_state        (GPtrArray                    *steps,
                                    ParallelStepState             state);
/* Each step is in one final state, and the counters of the runner add up to what the steps say. */
void      fault_assert_adds_up     (ParallelBackgroundTaskRunner *runner,
                                    GPtrArray                    *steps);
/* The message of an aggregated error: how many failed, and one line for each, in a bounded number. */
void      fault_assert_aggregate   (const GError                 *error,
                                    guint                         n_failed,
                                    guint                         n_steps);

ParallelStep *fault_put_command    (ParallelBackgroundTaskRunner *runner,
                                    const char * const           *argv);
/* A function step that puts its name out and succeeds. */
gboolean  fault_write_name         (ParallelStep                 *step,
                                    GCancellable                 *cancellable,
                                    gpointer                      user_data,
                                    GError                      **error);
/* Waits for a while, but not beyond the cancellation: in a thread where a moment is to be any. */
void      fault_sleep_at_random    (GRand                        *rand,
                                    guint                         most);

G_END_DECLS
