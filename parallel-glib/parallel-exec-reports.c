/* parallel-exec-reports.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-exec-reports.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "parallel-exec-protocol.h"
#include "parallel-fd.h"
#include "parallel-fork.h"

/* Room for 16384 reports that nobody has read yet; 1 MiB is what anybody may ask for. The kernel
 * allocates it only as it fills. */
#define PIPE_SIZE (1024 * 1024)

/* What the helpers reported of one process and nobody has asked for yet. */
typedef struct
{
  guint           failure;      /* a ParallelExecKind, or 0 */
  int             failure_errno;
  gboolean        has_end;
  ParallelExecEnd end;
} Report;

/* Engine thread only. */
static struct
{
  int         read_fd;
  int         write_fd;
  guint32     number;       /* of the last start */
  int         number_pid;   /* the process of that start, once it has been reported */
  GHashTable *reports;      /* of process id to Report */
} reports = { .read_fd = -1, .write_fd = -1 };

/* The pipe and what is in it are the parent's. */
static void
forked (void)
{
  parallel_fd_clear (&reports.read_fd);
  parallel_fd_clear (&reports.write_fd);
  reports.reports = NULL;
}

static gboolean
make_pipe (void)
{
  parallel_fork_add_once (forked);

  if (reports.read_fd >= 0)
    return TRUE;
  if (!parallel_fd_open_pipe (&reports.read_fd, &reports.write_fd, O_NONBLOCK))
    return FALSE;

  fcntl (reports.write_fd, F_SETPIPE_SZ, PIPE_SIZE);
  if (reports.reports == NULL)
    reports.reports = g_hash_table_new_full (NULL, NULL, NULL, g_free);

  return TRUE;
}

static Report *
ensure_report (int pid)
{
  Report *report = g_hash_table_lookup (reports.reports, GINT_TO_POINTER (pid));

  if (report == NULL)
    {
      report = g_new0 (Report, 1);
      g_hash_table_insert (reports.reports, GINT_TO_POINTER (pid), report);
    }

  return report;
}

static void
take_record (const ParallelExecRecord *record)
{
  Report *report;

  if (record->kind == PARALLEL_EXEC_STARTED)
    {
      /* What has been reported under this process id so far was of an earlier process, and
       * nobody asked. */
      g_hash_table_remove (reports.reports, GINT_TO_POINTER (record->pid));
      if (record->number == reports.number)
        reports.number_pid = record->pid;
      return;
    }

  report = ensure_report (record->pid);
  if (record->kind == PARALLEL_EXEC_ENDED)
    {
      report->has_end = TRUE;
      report->end.wait_status = (int) record->number;
      report->end.user_time = (double) record->user_time / G_USEC_PER_SEC;
      report->end.system_time = (double) record->system_time / G_USEC_PER_SEC;
      report->end.max_rss = record->max_rss * 1024;
    }
  else
    {
      report->failure = record->kind;
      report->failure_errno = (int) record->number;
    }
}

static void
drain (void)
{
  ParallelExecRecord records[32];
  gssize length;

  if (reports.read_fd < 0)
    return;

  do
    {
      length = read (reports.read_fd, records, sizeof records);
      for (gssize i = 0; (i + 1) * (gssize) sizeof records[0] <= length; i++)
        take_record (&records[i]);
    }
  while (length == sizeof records || (length < 0 && errno == EINTR));
}

gboolean
parallel_exec_reports_prepare (void)
{
  if (!make_pipe ())
    return FALSE;

  drain ();
  return TRUE;
}

int
parallel_exec_reports_get_fd (void)
{
  return reports.write_fd;
}

guint32
parallel_exec_reports_begin (void)
{
  reports.number_pid = 0;

  return ++reports.number;
}

int
parallel_exec_reports_get_pid (void)
{
  drain ();

  return reports.number_pid;
}

static Report *
find_report (int pid)
{
  drain ();

  if (reports.reports == NULL)
    return NULL;

  return g_hash_table_lookup (reports.reports, GINT_TO_POINTER (pid));
}

gboolean
parallel_exec_reports_take_failure (int    pid,
                                    guint *kind,
                                    int   *code)
{
  Report *report = find_report (pid);

  if (report == NULL || report->failure == 0)
    return FALSE;

  *kind = report->failure;
  *code = report->failure_errno;
  report->failure = 0;

  return TRUE;
}

gboolean
parallel_exec_reports_take_end (int              pid,
                                ParallelExecEnd *end)
{
  Report *report = find_report (pid);

  if (report == NULL || !report->has_end)
    return FALSE;

  *end = report->end;
  report->has_end = FALSE;

  return TRUE;
}

void
parallel_exec_reports_forget (int pid)
{
  drain ();
  if (reports.reports != NULL)
    g_hash_table_remove (reports.reports, GINT_TO_POINTER (pid));
}
