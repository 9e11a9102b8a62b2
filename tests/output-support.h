/* output-support.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-output.h"

#include <sys/stat.h>

G_BEGIN_DECLS

/* What test-output.c and test-output-limit.c share. */

#define KEEP PARALLEL_OUTPUT_LIMIT_KEEP_ENDS
#define STOP PARALLEL_OUTPUT_LIMIT_STOP
#define PIPE_SIZE (256 * 1024)

/* For a thread that appends. */
typedef struct
{
  ParallelOutput *output;
  guint64         length;
  int             running;    /* atomic */
} Writer;

/* The number of open descriptors, and in @file what the only file without a name is. */
guint        count_fds                 (struct stat     *file);
void         check_file_empty          (void);

/* The byte at @position of what the tests write: all values, and no period that is a power of
 * two. */
guint8       byte_at                   (guint64          position);
guint8      *make_bytes                (guint64          position,
                                        gsize            length);

void         append                    (ParallelOutput  *output,
                                        const void      *data,
                                        gsize            length);
void         make_pipe                 (int             *fds);
/* Appends @data through the pipe. */
void         append_piped              (ParallelOutput  *output,
                                        int             *fds,
                                        const void      *data,
                                        gsize            length);

/* Frees @text. */
void         check_text                (char            *text,
                                        const char      *expected);
/* All ways to read, against @expected. */
void         check_reads               (ParallelOutput  *output,
                                        const void      *expected,
                                        gsize            length);

G_END_DECLS
