/* parallel-output-stream.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-output.h"

G_BEGIN_DECLS

/* What parallel_output_open() returns. Not named after its file, because ParallelOutputStream is
 * the public enumeration of stdout and stderr. */
#define PARALLEL_TYPE_OUTPUT_INPUT_STREAM (parallel_output_input_stream_get_type ())

G_DECLARE_FINAL_TYPE (ParallelOutputInputStream, parallel_output_input_stream,
                      PARALLEL, OUTPUT_INPUT_STREAM, GInputStream)

/* Holds a reference to @output until it is closed. As with any GInputStream, one thread at a
 * time. */
GInputStream *parallel_output_input_stream_new (ParallelOutput *output);

G_END_DECLS
