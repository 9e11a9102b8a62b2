/* parallel-types.h
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
 * ParallelStepState:
 * @PARALLEL_STEP_STATE_PENDING: it has not started yet
 * @PARALLEL_STEP_STATE_RUNNING: it runs
 * @PARALLEL_STEP_STATE_SUCCEEDED: it ended, and all was well
 * @PARALLEL_STEP_STATE_FAILED: it ended with an error
 * @PARALLEL_STEP_STATE_HALTED: it was stopped because its run was halted
 * @PARALLEL_STEP_STATE_SKIPPED: it never ran, because its run was halted before its turn
 *
 * Where a [class@Step] is in its life.
 *
 * A step goes from pending to running and from there to one of the last states, and never back,
 * except that a failed attempt that will be repeated makes it pending again.
 */
typedef enum
{
  PARALLEL_STEP_STATE_PENDING,
  PARALLEL_STEP_STATE_RUNNING,
  PARALLEL_STEP_STATE_SUCCEEDED,
  PARALLEL_STEP_STATE_FAILED,
  PARALLEL_STEP_STATE_HALTED,
  PARALLEL_STEP_STATE_SKIPPED
} ParallelStepState;

/**
 * ParallelOutputMode:
 * @PARALLEL_OUTPUT_MODE_ORDERED: in queue order, as if the steps had run one after another; the
 *   first unfinished step is shown live
 * @PARALLEL_OUTPUT_MODE_FINISHED: each step's output as a whole, when the step finishes
 * @PARALLEL_OUTPUT_MODE_TAGGED: live, line by line, each line with the step's name and a tabulator
 *   in front
 * @PARALLEL_OUTPUT_MODE_NONE: not at all; it can still be read from the steps
 *
 * How a [class@BackgroundTaskRunner] prints what its steps write.
 */
typedef enum
{
  PARALLEL_OUTPUT_MODE_ORDERED,
  PARALLEL_OUTPUT_MODE_FINISHED,
  PARALLEL_OUTPUT_MODE_TAGGED,
  PARALLEL_OUTPUT_MODE_NONE
} ParallelOutputMode;

/**
 * ParallelOutputStream:
 * @PARALLEL_OUTPUT_STREAM_STDOUT: the standard output
 * @PARALLEL_OUTPUT_STREAM_STDERR: the standard error
 *
 * One of the two streams that a step writes to.
 */
typedef enum
{
  PARALLEL_OUTPUT_STREAM_STDOUT,
  PARALLEL_OUTPUT_STREAM_STDERR
} ParallelOutputStream;

/**
 * ParallelOutputLimitPolicy:
 * @PARALLEL_OUTPUT_LIMIT_KEEP_ENDS: keep the first and the last half of the limit, with a line
 *   between them that says how much was left out
 * @PARALLEL_OUTPUT_LIMIT_STOP: stop the step, which fails with %PARALLEL_RUN_ERROR_OUTPUT_LIMIT
 *
 * What happens to a step that writes more than its output limit.
 */
typedef enum
{
  PARALLEL_OUTPUT_LIMIT_KEEP_ENDS,
  PARALLEL_OUTPUT_LIMIT_STOP
} ParallelOutputLimitPolicy;

/**
 * ParallelHaltMode:
 * @PARALLEL_HALT_NOW: stop what runs and start nothing more
 * @PARALLEL_HALT_SOON: let what runs end and start nothing more
 *
 * How [method@BackgroundTaskRunner.halt] ends a run.
 */
typedef enum
{
  PARALLEL_HALT_NOW,
  PARALLEL_HALT_SOON
} ParallelHaltMode;

/**
 * ParallelKeepSteps:
 * @PARALLEL_KEEP_STEPS_NONE: let go of every finished step at once; of failures, the aggregated
 *   error has the number and the first lines
 * @PARALLEL_KEEP_STEPS_FAILED: keep the failed ones, for [method@BackgroundTaskRunner.dup_failures]
 * @PARALLEL_KEEP_STEPS_UNTIL_TAKEN: keep the failed ones, and each other one until
 *   [method@BackgroundTaskRunner.next] has returned it
 * @PARALLEL_KEEP_STEPS_ALL: keep all, for [method@BackgroundTaskRunner.dup_steps] and for a list
 *   view
 *
 * Which finished steps a [class@BackgroundTaskRunner] keeps alive.
 */
typedef enum
{
  PARALLEL_KEEP_STEPS_NONE,
  PARALLEL_KEEP_STEPS_FAILED,
  PARALLEL_KEEP_STEPS_UNTIL_TAKEN,
  PARALLEL_KEEP_STEPS_ALL
} ParallelKeepSteps;

/**
 * ParallelContainment:
 * @PARALLEL_CONTAINMENT_GROUP: the program has a process group of its own, which is stopped as a
 *   whole and dies with the program that runs the steps; what the program leaves behind when it ends
 *   stays
 * @PARALLEL_CONTAINMENT_TREE: nothing that the program has started, wherever it has moved to,
 *   outlives it, or the program that runs the steps: it is killed. This costs a small process more
 *   for as long as the program runs
 *
 * How far what a [class@CommandTask] starts is kept together.
 */
typedef enum
{
  PARALLEL_CONTAINMENT_GROUP,
  PARALLEL_CONTAINMENT_TREE
} ParallelContainment;

/**
 * ParallelEncoding:
 * @PARALLEL_ENCODING_VARIANT: inputs and results are [struct@GLib.Variant]s, and errors arrive with their domain and
 *   code
 * @PARALLEL_ENCODING_BYTES: inputs and results are [struct@GLib.Bytes], whose meaning is the worker's; what it
 *   says of a failure is in [method@Step.dup_failure_details]
 *
 * What the steps of a [class@WorkerTask] take and give.
 */
typedef enum
{
  PARALLEL_ENCODING_VARIANT,
  PARALLEL_ENCODING_BYTES
} ParallelEncoding;

#define PARALLEL_TYPE_STEP_STATE          (parallel_step_state_get_type ())
#define PARALLEL_TYPE_OUTPUT_MODE         (parallel_output_mode_get_type ())
#define PARALLEL_TYPE_OUTPUT_STREAM       (parallel_output_stream_get_type ())
#define PARALLEL_TYPE_OUTPUT_LIMIT_POLICY (parallel_output_limit_policy_get_type ())
#define PARALLEL_TYPE_HALT_MODE           (parallel_halt_mode_get_type ())
#define PARALLEL_TYPE_KEEP_STEPS          (parallel_keep_steps_get_type ())
#define PARALLEL_TYPE_CONTAINMENT         (parallel_containment_get_type ())
#define PARALLEL_TYPE_ENCODING            (parallel_encoding_get_type ())

PARALLEL_AVAILABLE_IN_ALL
GType parallel_step_state_get_type          (void) G_GNUC_CONST;

PARALLEL_AVAILABLE_IN_ALL
GType parallel_output_mode_get_type         (void) G_GNUC_CONST;

PARALLEL_AVAILABLE_IN_ALL
GType parallel_output_stream_get_type       (void) G_GNUC_CONST;

PARALLEL_AVAILABLE_IN_ALL
GType parallel_output_limit_policy_get_type (void) G_GNUC_CONST;

PARALLEL_AVAILABLE_IN_ALL
GType parallel_halt_mode_get_type           (void) G_GNUC_CONST;

PARALLEL_AVAILABLE_IN_ALL
GType parallel_keep_steps_get_type          (void) G_GNUC_CONST;

PARALLEL_AVAILABLE_IN_ALL
GType parallel_containment_get_type         (void) G_GNUC_CONST;

PARALLEL_AVAILABLE_IN_ALL
GType parallel_encoding_get_type            (void) G_GNUC_CONST;

/* Declared here because tasks and steps name each other. */
typedef struct _ParallelStep ParallelStep;

G_END_DECLS
