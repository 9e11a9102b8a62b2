/* parallel-types.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-types.h"

G_DEFINE_ENUM_TYPE (ParallelStepState, parallel_step_state,
                    G_DEFINE_ENUM_VALUE (PARALLEL_STEP_STATE_PENDING, "pending"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_STEP_STATE_RUNNING, "running"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_STEP_STATE_SUCCEEDED, "succeeded"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_STEP_STATE_FAILED, "failed"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_STEP_STATE_HALTED, "halted"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_STEP_STATE_SKIPPED, "skipped"))

G_DEFINE_ENUM_TYPE (ParallelOutputMode, parallel_output_mode,
                    G_DEFINE_ENUM_VALUE (PARALLEL_OUTPUT_MODE_ORDERED, "ordered"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_OUTPUT_MODE_FINISHED, "finished"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_OUTPUT_MODE_TAGGED, "tagged"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_OUTPUT_MODE_NONE, "none"))

G_DEFINE_ENUM_TYPE (ParallelOutputStream, parallel_output_stream,
                    G_DEFINE_ENUM_VALUE (PARALLEL_OUTPUT_STREAM_STDOUT, "stdout"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_OUTPUT_STREAM_STDERR, "stderr"))

G_DEFINE_ENUM_TYPE (ParallelOutputLimitPolicy, parallel_output_limit_policy,
                    G_DEFINE_ENUM_VALUE (PARALLEL_OUTPUT_LIMIT_KEEP_ENDS, "keep-ends"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_OUTPUT_LIMIT_STOP, "stop"))

G_DEFINE_ENUM_TYPE (ParallelHaltMode, parallel_halt_mode,
                    G_DEFINE_ENUM_VALUE (PARALLEL_HALT_NOW, "now"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_HALT_SOON, "soon"))

G_DEFINE_ENUM_TYPE (ParallelKeepSteps, parallel_keep_steps,
                    G_DEFINE_ENUM_VALUE (PARALLEL_KEEP_STEPS_NONE, "none"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_KEEP_STEPS_FAILED, "failed"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_KEEP_STEPS_UNTIL_TAKEN, "until-taken"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_KEEP_STEPS_ALL, "all"))

G_DEFINE_ENUM_TYPE (ParallelContainment, parallel_containment,
                    G_DEFINE_ENUM_VALUE (PARALLEL_CONTAINMENT_GROUP, "group"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_CONTAINMENT_TREE, "tree"))

G_DEFINE_ENUM_TYPE (ParallelEncoding, parallel_encoding,
                    G_DEFINE_ENUM_VALUE (PARALLEL_ENCODING_VARIANT, "variant"),
                    G_DEFINE_ENUM_VALUE (PARALLEL_ENCODING_BYTES, "bytes"))
