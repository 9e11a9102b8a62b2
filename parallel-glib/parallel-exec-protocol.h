/* parallel-exec-protocol.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <stdint.h>

/* What parallel-spawner.c and its helper, parallel-glib-exec, say to each other. The helper may
 * be built without a C library, so nothing but integers and positions stands here.
 *
 * The helper's arguments, all of them required:
 *
 *   0  its own name
 *   1  the version of this protocol and the modes, e.g. "1" or "1m"; m: stay, and report the
 *      resource use
 *   2  the process id of the program that starts it, decimal
 *   3  the number of this start, decimal, 32 bits; returned in PARALLEL_EXEC_STARTED
 *   4  the descriptor of the write end of the report pipe, decimal, at least 4; the helper moves
 *      it to 3
 *   5  the working directory, or the empty string for the inherited one
 *   6  the path of the program to execute, relative to 5; it is not looked for in PATH
 *   7… the program's argv, at least argv[0]
 *
 * 6 stands right before argv, so that both can be overwritten with "/bin/sh" and 6 when the
 * program turns out to be a script without an interpreter line. The environment is handed on as
 * it is.
 *
 * Descriptors 0, 1 and 2 are the program's; all but these and the report pipe are closed. */

#define PARALLEL_EXEC_VERSION   '1'
#define PARALLEL_EXEC_MEASURE   'm'
#define PARALLEL_EXEC_REPORT_FD 3

enum
{
  PARALLEL_EXEC_ARG_MODE = 1,
  PARALLEL_EXEC_ARG_PARENT,
  PARALLEL_EXEC_ARG_NUMBER,
  PARALLEL_EXEC_ARG_REPORT_FD,
  PARALLEL_EXEC_ARG_CWD,
  PARALLEL_EXEC_ARG_PROGRAM,
  PARALLEL_EXEC_ARG_ARGV
};

/* The exit status of a helper that could not become the program, the shell's for the same thing. */
#define PARALLEL_EXEC_EXIT_FAILED 127

typedef enum
{
  PARALLEL_EXEC_STARTED = 1,  /* number: argument 3. The first record, after setpgid() */
  PARALLEL_EXEC_USAGE,        /* user_time, system_time, max_rss; the last record */
  PARALLEL_EXEC_NO_PROTOCOL,  /* this and all that follow are failures: number is the errno */
  PARALLEL_EXEC_NO_CWD,
  PARALLEL_EXEC_NO_FORK,
  PARALLEL_EXEC_NO_PROGRAM,
  PARALLEL_EXEC_NO_SHELL      /* the program is a script, and /bin/sh cannot be executed */
} ParallelExecKind;

/* Many helpers share one pipe. Writes of up to PIPE_BUF bytes are atomic, so whole records come
 * out of it; a size that divides the page keeps them whole in the kernel's buffers as well. */
typedef struct
{
  uint32_t kind;
  int32_t  pid;               /* the helper's, also when the child that it forked reports */
  uint32_t number;
  uint32_t padding;
  int64_t  user_time;         /* microseconds */
  int64_t  system_time;
  int64_t  max_rss;           /* KiB */
  int64_t  reserved[3];
} ParallelExecRecord;

_Static_assert (sizeof (ParallelExecRecord) == 64, "4096 must be a multiple of it");
