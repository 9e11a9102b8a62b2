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
 *   1  the version of this protocol and the modes, e.g. "1" or "1st"
 *   2  the process id of the program that starts it, decimal
 *   3  the number of this start, decimal, 32 bits; returned in PARALLEL_EXEC_STARTED
 *   4  the descriptor of the write end of the report pipe, decimal, at least 4; the helper moves
 *      it to 3
 *   5  the descriptor of the write end of the guardian's pipe, decimal, at least 4, or "-1" for
 *      none: the helper says there that its process group is to be guarded
 *   6  the mark, "PARALLEL_GLIB_STEP=…": put into the environment of the program, instead of one
 *      with the same name, so that its descendants can be found wherever they go
 *   7  the working directory, or the empty string for the inherited one
 *   8  the path of the program to execute, relative to 7; it is not looked for in PATH
 *   9… the program's argv, at least argv[0]
 *
 * 8 stands right before argv, so that both can be overwritten with "/bin/sh" and 8 when the
 * program turns out to be a script without an interpreter line. The environment is handed on as
 * it is but for the mark.
 *
 * Descriptors 0, 1 and 2 are the program's; all but these and the report pipe are closed.
 *
 * The guardian has arguments 0, 1 ("1g") and 2 only. Its standard input is a pipe, and the process
 * that was started ends at once with PARALLEL_EXEC_EXIT_GUARDING. */

#define PARALLEL_EXEC_VERSION   '3'
#define PARALLEL_EXEC_REPORT_FD 3

/* The modes. */
#define PARALLEL_EXEC_SUPERVISE 's'   /* stay, wait for the program and report how it ended */
#define PARALLEL_EXEC_TREE      't'   /* the same, and let nothing that it started outlive it */
#define PARALLEL_EXEC_POLITE    'p'   /* when this program dies, the other one gets SIGHUP, not SIGKILL */
#define PARALLEL_EXEC_GUARD     'g'   /* be the guardian */

#define PARALLEL_EXEC_MARK_NAME "PARALLEL_GLIB_STEP"

enum
{
  PARALLEL_EXEC_ARG_MODE = 1,
  PARALLEL_EXEC_ARG_PARENT,
  PARALLEL_EXEC_ARG_NUMBER,
  PARALLEL_EXEC_ARG_REPORT_FD,
  PARALLEL_EXEC_ARG_GUARDIAN_FD,
  PARALLEL_EXEC_ARG_MARK,
  PARALLEL_EXEC_ARG_CWD,
  PARALLEL_EXEC_ARG_PROGRAM,
  PARALLEL_EXEC_ARG_ARGV
};

/* The exit status of a helper that could not become the program, the shell's for the same thing. */
#define PARALLEL_EXEC_EXIT_FAILED 127

/* How the start of the guardian ends. Something unusual, so that who gets another status knows that
 * statuses are taken away here. */
#define PARALLEL_EXEC_EXIT_GUARDING 113

/* A supervising helper blocks all signals; this one tells it to kill everything that the program
 * has started. It also gets it when the program that runs the steps dies. SIGRTMAX, which the C
 * library may have moved. */
#define PARALLEL_EXEC_SIGNAL_KILL 64

typedef enum
{
  PARALLEL_EXEC_STARTED = 1,  /* number: argument 3. The first record, after setpgid() */
  PARALLEL_EXEC_ENDED,        /* number: the wait status; the times and max_rss; the last record */
  PARALLEL_EXEC_NO_PROTOCOL,  /* this and all that follow are failures: number is the errno */
  PARALLEL_EXEC_NO_CWD,
  PARALLEL_EXEC_NO_FORK,
  PARALLEL_EXEC_NO_PROGRAM,
  PARALLEL_EXEC_NO_SHELL      /* the program is a script, and /bin/sh cannot be executed */
} ParallelExecKind;

/* What the guardian is told: a process group comes, or, as a negative number, goes. Written by
 * helpers and by the program, atomically. */
typedef int32_t ParallelExecGroup;

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
