/* parallel-exec-reports.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What the helpers report through the one pipe that all of them share. Engine thread only. */

typedef struct
{
  int    wait_status;
  double user_time;                 /* seconds */
  double system_time;
  gint64 max_rss;                   /* bytes */
} ParallelExecEnd;

/* Before a helper is started: makes the pipe if need be, and reads what is in it, so that it never
 * fills up. FALSE with errno. */
gboolean parallel_exec_reports_prepare      (void);

/* The write end, for the helper. */
int      parallel_exec_reports_get_fd       (void);

/* The number of the next start. */
guint32  parallel_exec_reports_begin        (void);

/* The process of the start that was begun last, as its helper has reported it; 0 for none. */
int      parallel_exec_reports_get_pid      (void);

/* Each of these gives what was reported of a process, once; FALSE for nothing. To be asked after
 * the exit of the process. */
gboolean parallel_exec_reports_take_failure (int              pid,
                                             guint           *kind,     /* a ParallelExecKind */
                                             int             *code);    /* an errno */
gboolean parallel_exec_reports_take_end     (int              pid,
                                             ParallelExecEnd *end);

/* Nobody will ask for anything more of the process. */
void     parallel_exec_reports_forget       (int              pid);

G_END_DECLS
