/* pool-support.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "test-support.h"

G_BEGIN_DECLS

/* What the tests of worker tasks share: the test program is its own worker. A step's input is (ss), what to do and
 * with what; see pool-support.c. */

/* To be called first of all in main(): does not return in a worker. */
void          worker_init             (int                           argc,
                                       char                        **argv);
ParallelTask *worker_task_new         (void);
ParallelBackgroundTaskRunner *worker_runner_new (ParallelTask       *task,
                                       guint                         max_parallel);
/* The same in two parts, for a step that is to be set up between them; the second is test_put_step(). */
ParallelStep *worker_step_new         (ParallelTask                 *task,
                                       const char                   *what,
                                       const char                   *with);
ParallelStep *worker_put              (ParallelBackgroundTaskRunner *runner,
                                       const char                   *what,
                                       const char                   *format,
                                       ...) G_GNUC_PRINTF (3, 4);
/* The text that a step has returned. */
const char   *worker_get_text         (ParallelStep                 *step);
/* Closes the queue and waits for the end, which is a failure. */
GError       *worker_wait_for_failure (ParallelBackgroundTaskRunner *runner);
/* How many different texts the steps have returned: of "pid", the number of workers. */
guint         worker_count_texts      (GPtrArray                    *steps);

G_END_DECLS
