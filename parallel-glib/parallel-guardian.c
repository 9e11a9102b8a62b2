/* parallel-guardian.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>

#include "parallel-exec-protocol.h"
#include "parallel-fd.h"
#include "parallel-fork.h"
#include "parallel-spawner.h"

/* What somebody who kills the guardian again and again is worth. */
#define MIN_INTERVAL (G_USEC_PER_SEC / 10)

typedef enum
{
  STATUSES_UNKNOWN,
  STATUSES_ARRIVE,
  STATUSES_ARE_TAKEN
} Statuses;

/* Engine thread only. */
static struct
{
  int         fd;             /* the write end of its pipe, or -1 */
  gint64      started;        /* monotonic time */
  GHashTable *groups;         /* the set of those that there are now */
  GByteArray *unsaid;         /* that found no room in the pipe */
  GSource    *watch;          /* of fd: it has died, or has room */
  GIOCondition watched;       /* by watch */
  Statuses    statuses;
  void      (*ready) (void);  /* to be called once statuses are known, or NULL */
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
  guardian.groups = NULL;
  guardian.unsaid = NULL;
  guardian.started = 0;
  guardian.statuses = STATUSES_UNKNOWN;
}

static void ensure (void);
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

  /* Another one is started with the next step. */
  if (n < 0 && errno != EAGAIN)
    lose ();
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
      if (g_hash_table_size (guardian.groups) > 0)
        ensure ();
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
    guardian.statuses = STATUSES_ARE_TAKEN;
  else if (guardian.statuses == STATUSES_UNKNOWN)
    guardian.statuses = STATUSES_ARRIVE;

  if (guardian.ready != NULL)
    guardian.ready ();
}

static void
prepare (void)
{
  static gsize added;

  if (g_once_init_enter (&added))
    {
      parallel_fork_add (forked);
      g_once_init_leave (&added, 1);
    }

  if (guardian.groups != NULL)
    return;
  guardian.groups = g_hash_table_new (NULL, NULL);
  guardian.unsaid = g_byte_array_new ();
}

static gboolean
start (void)
{
  gint64 now = g_get_monotonic_time ();
  int read_fd;
  int write_fd;

  if (guardian.started != 0 && now - guardian.started < MIN_INTERVAL)
    return FALSE;
  guardian.started = now;

  if (!parallel_fd_open_pipe (&read_fd, &write_fd, O_NONBLOCK))
    return FALSE;
  if (!parallel_spawner_spawn_guardian (read_fd, started_cb, NULL))
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

gboolean
parallel_guardian_prepare (void (*ready) (void))
{
  prepare ();
  ensure ();
  guardian.ready = ready;

  return guardian.statuses != STATUSES_UNKNOWN || guardian.fd < 0;
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

gboolean
parallel_guardian_knows_thief (void)
{
  return guardian.statuses == STATUSES_ARE_TAKEN;
}

void
parallel_guardian_report_thief (void)
{
  guardian.statuses = STATUSES_ARE_TAKEN;
}
