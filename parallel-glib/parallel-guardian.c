/* parallel-guardian.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdlib.h>
#include <unistd.h>

#include "parallel-engine.h"
#include "parallel-exec-protocol.h"
#include "parallel-exit-watch.h"
#include "parallel-fd.h"
#include "parallel-fork.h"
#include "parallel-launch.h"

#define MAX_READY 2

/* What somebody who kills the guardian again and again is worth. */
#define MIN_INTERVAL (G_USEC_PER_SEC / 10)

/* Engine thread only. */
static struct
{
  int         fd;             /* the write end of its pipe, or -1 */
  gint64      started;        /* monotonic time */
  GHashTable *groups;         /* the set of those that there are now */
  GByteArray *unsaid;         /* that found no room in the pipe */
  GSource    *watch;          /* of fd: it has died, or has room */
  GIOCondition watched;       /* by watch */
  GSource    *later;          /* starts another one, when MIN_INTERVAL is over, or NULL */
  gboolean    tried;          /* whether exit statuses arrive here is known */
  void      (*ready[MAX_READY]) (void);  /* to be called once it was tried */
} guardian = { .fd = -1 };

static void
clear_watch (void)
{
  if (guardian.watch == NULL)
    return;

  g_source_destroy (guardian.watch);
  g_clear_pointer (&guardian.watch, g_source_unref);
}

static void
lose (void)
{
  clear_watch ();
  parallel_fd_clear (&guardian.fd);
  g_byte_array_set_size (guardian.unsaid, 0);
}

/* The parent's. */
static void
forked (void)
{
  parallel_fd_clear (&guardian.fd);
  guardian.watch = NULL;
  guardian.later = NULL;
  guardian.groups = NULL;
  guardian.unsaid = NULL;
  guardian.started = 0;
  guardian.tried = FALSE;
}

static void start_later (void);
static void watch_pipe (void);

/* Writes what there is to say. A write end that is full is tried again when there is room. */
static void
say (void)
{
  gssize n = 0;

  while (guardian.unsaid->len > 0 && n >= 0)
    {
      n = write (guardian.fd, guardian.unsaid->data, guardian.unsaid->len);
      if (n > 0)
        g_byte_array_remove_range (guardian.unsaid, 0, n);
      else if (n < 0 && errno == EINTR)
        n = 0;
    }

  /* It has died before it could read. */
  if (n < 0 && errno != EAGAIN)
    {
      lose ();
      start_later ();
    }
  else
    watch_pipe ();
}

static gboolean
pipe_cb (int          fd,
         GIOCondition condition,
         gpointer     user_data)
{
  if ((condition & G_IO_ERR) != 0)
    {
      lose ();
      start_later ();
    }
  else
    say ();

  return G_SOURCE_CONTINUE;
}

/* G_IO_ERR, that nobody reads it any more, is always watched for. */
static void
watch_pipe (void)
{
  GIOCondition condition = guardian.unsaid->len > 0 ? G_IO_OUT | G_IO_ERR : G_IO_ERR;

  if (guardian.watch != NULL && guardian.watched == condition)
    return;

  clear_watch ();
  guardian.watched = condition;
  guardian.watch = g_unix_fd_source_new (guardian.fd, condition);
  g_source_set_static_name (guardian.watch, "[parallel] guardian");
  g_source_set_callback (guardian.watch, G_SOURCE_FUNC (pipe_cb), NULL, NULL);
  g_source_attach (guardian.watch, g_main_context_get_thread_default ());
}

static void
append (ParallelExecGroup group)
{
  g_byte_array_append (guardian.unsaid, (const guint8 *) &group, sizeof group);
}

static void
started_cb (int      pid,
            int      wait_status,
            gpointer user_data)
{
  if (wait_status == PARALLEL_EXIT_LOST || g_spawn_check_wait_status (wait_status, NULL))
    parallel_exit_report_thief ();
  guardian.tried = TRUE;

  for (guint i = 0; i < MAX_READY && guardian.ready[i] != NULL; i++)
    guardian.ready[i] ();
}

static void
prepare (void)
{
  parallel_fork_add_once (forked);

  if (guardian.groups != NULL)
    return;
  guardian.groups = g_hash_table_new (NULL, NULL);
  guardian.unsaid = g_byte_array_new ();
}

static gboolean
spawn (int              stdin_fd,
       ParallelExitFunc callback,
       gpointer         user_data)
{
  static const char mode[] = { PARALLEL_EXEC_VERSION, PARALLEL_EXEC_GUARD, '\0' };
  static const int inherited[2] = { -1, -1 };
  char parent[16];
  const char *argv[] = { parallel_launch_get_helper (), mode, parent, NULL };
  g_auto (ParallelLaunch) launch = { 0 };
  g_autoptr (GSubprocess) subprocess = NULL;
  const char *identifier;
  int pid;

  g_snprintf (parent, sizeof parent, "%d", getpid ());
  parallel_launch_init (&launch, NULL);
  parallel_launch_take_fd (&launch, stdin_fd, 0);
  if (!parallel_launch_spawn (&launch, argv, inherited, &subprocess, &pid, NULL))
    return FALSE;

  identifier = subprocess != NULL ? g_subprocess_get_identifier (subprocess) : NULL;
  parallel_exit_watch_trial (subprocess, identifier != NULL ? atoi (identifier) : pid, callback, user_data);
  return TRUE;
}

/* A guardian that has nobody to guard: its pipe ends at once. */
static gboolean
start_trial (ParallelExitFunc callback,
             gpointer         user_data)
{
  int read_fd;
  int write_fd;

  if (!parallel_fd_open_pipe (&read_fd, &write_fd, 0))
    return FALSE;
  close (write_fd);

  return spawn (read_fd, callback, user_data);
}

static gboolean
start (void)
{
  gint64 now = g_get_monotonic_time ();
  int read_fd;
  int write_fd;

  if (guardian.started != 0 && now - guardian.started < MIN_INTERVAL)
    {
      start_later ();
      return FALSE;
    }
  guardian.started = now;

  if (!parallel_exit_check_child_signal (NULL) || !parallel_fd_open_pipe (&read_fd, &write_fd, O_NONBLOCK))
    return FALSE;
  parallel_exit_set_trial (start_trial);
  if (!spawn (read_fd, started_cb, NULL))
    {
      close (write_fd);
      return FALSE;
    }

  guardian.fd = write_fd;
  return TRUE;
}

static void
ensure (void)
{
  GHashTableIter iter;
  gpointer pgid;

  if (guardian.fd >= 0 || !start ())
    return;

  g_hash_table_iter_init (&iter, guardian.groups);
  while (g_hash_table_iter_next (&iter, &pgid, NULL))
    append (GPOINTER_TO_INT (pgid));
  say ();
}

static gboolean
later_cb (gpointer user_data)
{
  g_clear_pointer (&guardian.later, g_source_unref);
  if (g_hash_table_size (guardian.groups) > 0)
    ensure ();

  return G_SOURCE_REMOVE;
}

/* As soon as another one may be started; it is, if there is something to guard then. */
static void
start_later (void)
{
  if (guardian.later == NULL)
    guardian.later = parallel_engine_add_timer (guardian.started + MIN_INTERVAL, later_cb, NULL);
}

gboolean
parallel_guardian_prepare (void (*ready) (void))
{
  guint i = 0;

  prepare ();
  ensure ();
  while (guardian.ready[i] != NULL && guardian.ready[i] != ready)
    g_assert (++i < MAX_READY);
  guardian.ready[i] = ready;

  return guardian.tried || guardian.fd < 0;
}

int
parallel_guardian_get_fd (void)
{
  return guardian.fd;
}

void
parallel_guardian_add (int pgid)
{
  prepare ();
  g_hash_table_add (guardian.groups, GINT_TO_POINTER (pgid));

  /* The one that was there when the step was about to start may have gone since. */
  ensure ();
}

void
parallel_guardian_remove (int pgid)
{
  prepare ();
  if (!g_hash_table_remove (guardian.groups, GINT_TO_POINTER (pgid)) || guardian.fd < 0)
    return;

  append (-pgid);
  say ();
}
