/* parallel-run-error.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (PARALLEL_INSIDE) && !defined (PARALLEL_COMPILATION)
# error "Only <parallel-glib/parallel.h> can be included directly."
#endif

#include <gio/gio.h>

#include <parallel-glib/parallel-version-macros.h>

G_BEGIN_DECLS

/**
 * PARALLEL_RUN_ERROR:
 *
 * The error domain of runs and steps; its codes are [error@RunError].
 */
#define PARALLEL_RUN_ERROR (parallel_run_error_quark ())

#define PARALLEL_TYPE_RUN_ERROR (parallel_run_error_get_type ())

/**
 * ParallelRunError:
 * @PARALLEL_RUN_ERROR_FAILED: a step failed and nothing more precise is known
 * @PARALLEL_RUN_ERROR_BACKGROUND_FAILURE: one or more steps of a run failed; the message names them
 * @PARALLEL_RUN_ERROR_TIMED_OUT: a step ran longer than its timeout
 * @PARALLEL_RUN_ERROR_SILENT: a step gave no sign of life for longer than its silence timeout
 * @PARALLEL_RUN_ERROR_HALTED: the run or the step was stopped before it could end
 * @PARALLEL_RUN_ERROR_OUTPUT_LIMIT: a step wrote more than its output limit
 * @PARALLEL_RUN_ERROR_CLOSED: the queue is closed and takes nothing more
 * @PARALLEL_RUN_ERROR_EXIT_TIMED_OUT: a program or a worker did not end within its exit timeout
 * @PARALLEL_RUN_ERROR_UNEXPECTED_EXIT: a worker process ended, or had to be killed, while it was doing a step
 * @PARALLEL_RUN_ERROR_POOL_BROKEN: no worker process can be started
 *
 * What goes wrong with steps and runs.
 *
 * Programs that fail have GLib's own codes: %G_SPAWN_EXIT_ERROR with the exit status as the code,
 * %G_SPAWN_ERROR_NOENT and its siblings where they cannot be started.
 */
typedef enum
{
  PARALLEL_RUN_ERROR_FAILED,
  PARALLEL_RUN_ERROR_BACKGROUND_FAILURE,
  PARALLEL_RUN_ERROR_TIMED_OUT,
  PARALLEL_RUN_ERROR_SILENT,
  PARALLEL_RUN_ERROR_HALTED,
  PARALLEL_RUN_ERROR_OUTPUT_LIMIT,
  PARALLEL_RUN_ERROR_CLOSED,
  PARALLEL_RUN_ERROR_EXIT_TIMED_OUT,
  PARALLEL_RUN_ERROR_UNEXPECTED_EXIT,
  PARALLEL_RUN_ERROR_POOL_BROKEN
} ParallelRunError;

PARALLEL_AVAILABLE_IN_ALL
GQuark parallel_run_error_quark    (void);

PARALLEL_AVAILABLE_IN_ALL
GType  parallel_run_error_get_type (void) G_GNUC_CONST;

G_END_DECLS
