/* parallel-process-stop.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-process-stop.h"

#include <errno.h>
#include <signal.h>
#include <sys/types.h>

#include "parallel-aside.h"
#include "parallel-engine.h"
#include "parallel-exec-protocol.h"
#include "parallel-fork.h"

/* First of all the table of processes is read, in a thread aside: who has started whom is only known
 * as long as both live. Then a signal goes to the process group, the table is read again, and what
 * belongs to the step and is not in the group gets it too: once for each signal, or again and again
 * if it is SIGKILL. The table is read again when the first process has ended, and
 * from then on at growing intervals, until it shows nothing of the step any more. Members that wait
 * for somebody to reap them do not count: orphans are reaped by the system's first process, which
 * in a container may take its time or never do it. */

#define POLL_MIN    (2 * 1000)        /* microseconds */
#define POLL_MAX    (50 * 1000)

/* For one look at the table. */
#define TABLE_LIMIT G_USEC_PER_SEC

#define MAX_NAMED   10                /* of the processes that are left */

struct _ParallelProcessStop
{
  /* Constant. */
  ParallelTree             tree;
  char                    *mark;      /* of tree */
  gboolean                 supervised;
  ParallelStopSequence     sequence;
  ParallelProcessStopFunc  done;
  gpointer                 user_data;

  /* Engine thread only. */
  gboolean                 begun;     /* the first signal was sent */
  guint                    at;        /* in the sequence */
  gint64                   deadline;  /* of its delay */
  gint64                   next_look; /* G_MAXINT64 while a look is under way or none is needed */
  gint64                   interval;
  gboolean                 exited;
  GHashTable              *known;     /* all that was ever seen of the step: see the table */
  GHashTable              *told;      /* the set of the process ids that got this signal */
  GString                 *left;      /* what the last look showed, as text */
  GSource                 *timer;
};

/* One look at the table serves all the stops that asked for it before it began. Engine thread only. */
static struct
{
  gboolean    under_way;    /* until all that it is for are served */
  GHashTable *served;       /* the set of the stops that it is for */
  GHashTable *next;         /* the set of those that want the next one */
} looks;

static void request_look (ParallelProcessStop *self);

static int
get_signal (ParallelProcessStop *self)
{
  return self->sequence.signals[self->at].signum;
}

/* The keeper of a tree is the only one of its group. It is asked to kill, and goes on if it was
 * stopped; all else reaches the processes of the tree one by one. */
static void
signal_group (ParallelProcessStop *self)
{
  int signum = get_signal (self);
  int pid = self->tree.pid;

  /* To its group, in which it is alone or with a helper that supervises it and does not hear signals. */
  if (self->mark == NULL)
    {
      if (!self->exited)
        {
          kill (-pid, signum == SIGKILL ? PARALLEL_EXEC_SIGNAL_KILL : signum);
          kill (-pid, SIGCONT);
        }
      return;
    }

  if (signum == SIGKILL && self->supervised && !self->exited)
    {
      kill (pid, PARALLEL_EXEC_SIGNAL_KILL);
      kill (pid, SIGCONT);
      return;
    }

  /* The group outlives its leader as long as it has members; when it has none this is an ESRCH. In
   * the first moment the helper has not made it yet. */
  if (kill (-pid, signum) < 0 && errno == ESRCH && !self->exited)
    kill (pid, signum);
  if (signum != SIGKILL && signum != SIGSTOP)
    kill (-pid, SIGCONT);
}

static void
signal_strays (ParallelProcessStop *self,
               GPtrArray           *processes)
{
  int signum = get_signal (self);

  for (guint i = 0; i < processes->len; i++)
    {
      ParallelProcess *process = g_ptr_array_index (processes, i);

      if (process->group == self->tree.pid || process->pid == self->tree.pid)
        continue;
      if (!g_hash_table_add (self->told, GINT_TO_POINTER (process->pid)) && signum != SIGKILL)
        continue;

      parallel_process_kill (process, signum);
      if (signum != SIGKILL && signum != SIGSTOP)
        parallel_process_kill (process, SIGCONT);
    }
}

static void
describe_left (ParallelProcessStop *self,
               GPtrArray           *processes)
{
  g_string_truncate (self->left, 0);
  for (guint i = 0; i < MIN (processes->len, MAX_NAMED); i++)
    {
      ParallelProcess *process = g_ptr_array_index (processes, i);

      g_string_append_printf (self->left, "%s%d (%s, state %c)", i > 0 ? ", " : "", process->pid,
                              process->name, process->state);
    }
  if (processes->len > MAX_NAMED)
    g_string_append_printf (self->left, " and %u more", processes->len - MAX_NAMED);
}

/* ---- the clock ---- */

static void
arm (ParallelProcessStop *self)
{
  g_source_set_ready_time (self->timer, MIN (self->deadline, self->next_look));
}

/* The callback may free the stop. */
static void
finish (ParallelProcessStop *self,
        gboolean             complete)
{
  const char *left = complete ? NULL : self->left->len > 0 ? self->left->str : "processes unknown";

  if (!complete && self->mark == NULL)
    kill (-self->tree.pid, SIGKILL);

  g_source_set_ready_time (self->timer, -1);
  self->done (self->user_data, left);
}

static void
send_signal (ParallelProcessStop *self)
{
  self->deadline = g_get_monotonic_time () + self->sequence.signals[self->at].delay;
  self->interval = POLL_MIN;
  g_hash_table_remove_all (self->told);
  signal_group (self);
  request_look (self);
}

static gboolean
timer_cb (gpointer user_data)
{
  ParallelProcessStop *self = user_data;
  gint64 now = g_get_monotonic_time ();

  if (now >= self->deadline && self->at + 1 >= self->sequence.n_signals)
    {
      finish (self, FALSE);
      return G_SOURCE_CONTINUE;
    }

  if (now >= self->deadline)
    {
      self->at++;
      send_signal (self);
    }
  else if (now >= self->next_look)
    request_look (self);

  arm (self);
  return G_SOURCE_CONTINUE;
}

/* ---- looks ---- */

/* The thread aside, until it is done. */
typedef struct
{
  gint64                requested;
  ParallelProcessTable *table;
} Look;

static void
look_free (gpointer data)
{
  Look *look = data;

  g_clear_pointer (&look->table, parallel_process_table_unref);
  g_free (look);
}

static void
look_work (gpointer data)
{
  Look *look = data;

  look->table = parallel_process_table_get (look->requested);
}

/* Without a table only the group can be asked. */
static gboolean
is_empty (ParallelProcessStop  *self,
          ParallelProcessTable *table)
{
  g_autoptr (GPtrArray) processes = NULL;

  if (self->mark == NULL)
    return self->exited;
  if (table == NULL)
    return kill (-self->tree.pid, 0) < 0 && errno == ESRCH;

  processes = parallel_process_table_find (table, &self->tree, self->known);
  describe_left (self, processes);
  if (self->begun)
    signal_strays (self, processes);

  return processes->len == 0;
}

/* @table: NULL if there was none in time. May free the stop. */
static void
looked (ParallelProcessStop  *self,
        ParallelProcessTable *table)
{
  gboolean again = g_hash_table_contains (looks.next, self);

  if (is_empty (self, table) && self->exited && !again)
    {
      finish (self, TRUE);
      return;
    }

  if (!self->begun)
    {
      self->begun = TRUE;
      send_signal (self);
    }
  else if (!again && (self->exited || get_signal (self) == SIGKILL))
    {
      self->next_look = g_get_monotonic_time () + self->interval;
      self->interval = MIN (self->interval * 2, POLL_MAX);
    }
  arm (self);
}

static void begin_look (void);

static void
look_done (gpointer data,
           gboolean in_time)
{
  Look *look = data;
  GHashTableIter iter;
  gpointer stop;

  for (;;)
    {
      g_hash_table_iter_init (&iter, looks.served);
      if (!g_hash_table_iter_next (&iter, &stop, NULL))
        break;
      g_hash_table_iter_remove (&iter);
      looked (stop, in_time ? look->table : NULL);
    }

  looks.under_way = FALSE;
  if (g_hash_table_size (looks.next) > 0)
    begin_look ();
}

static void
begin_look (void)
{
  GHashTable *empty = looks.served;
  Look *look = g_new0 (Look, 1);

  looks.served = looks.next;
  looks.next = empty;
  looks.under_way = TRUE;
  look->requested = g_get_monotonic_time ();
  parallel_aside (look_work, look_done, look, look_free, TABLE_LIMIT);
}

static void
request_look (ParallelProcessStop *self)
{
  self->next_look = G_MAXINT64;
  g_hash_table_add (looks.next, self);

  if (!looks.under_way)
    begin_look ();
}

static void
forked (void)
{
  looks.under_way = FALSE;
  looks.served = NULL;
  looks.next = NULL;
}

static void
prepare_looks (void)
{
  parallel_fork_add_once (forked);
  if (looks.next != NULL)
    return;

  looks.served = g_hash_table_new (NULL, NULL);
  looks.next = g_hash_table_new (NULL, NULL);
}

ParallelProcessStop *
parallel_process_stop_new (const ParallelTree         *tree,
                           gboolean                    supervised,
                           const ParallelStopSequence *sequence,
                           ParallelProcessStopFunc     done,
                           gpointer                    user_data)
{
  ParallelProcessStop *self = g_new0 (ParallelProcessStop, 1);

  prepare_looks ();
  self->mark = g_strdup (tree->mark);
  self->tree = (ParallelTree) { tree->pid, self->mark };
  self->supervised = supervised;
  self->sequence = *sequence;
  self->done = done;
  self->user_data = user_data;
  self->known = g_hash_table_new (NULL, NULL);
  self->told = g_hash_table_new (NULL, NULL);
  self->left = g_string_new (NULL);
  self->timer = parallel_engine_add_timer (G_MAXINT64, timer_cb, self);
  self->deadline = G_MAXINT64;
  request_look (self);

  return self;
}

void
parallel_process_stop_exited (ParallelProcessStop *self)
{
  self->exited = TRUE;
  self->interval = POLL_MIN;
  request_look (self);
  arm (self);
}

char *
parallel_process_stop_dup_signals (ParallelProcessStop *self)
{
  g_autoptr (GString) signals = g_string_new (NULL);

  if (self->at == 0)
    return NULL;

  for (guint i = 0; i <= self->at; i++)
    {
      g_autofree char *name = parallel_stop_signal_name (self->sequence.signals[i].signum);

      g_string_append_printf (signals, "%s%s", i > 0 ? ", " : "", name);
    }
  return g_string_free (g_steal_pointer (&signals), FALSE);
}

void
parallel_process_stop_free (ParallelProcessStop *self)
{
  g_hash_table_remove (looks.served, self);
  g_hash_table_remove (looks.next, self);
  g_source_destroy (self->timer);
  g_source_unref (self->timer);
  g_hash_table_unref (self->known);
  g_hash_table_unref (self->told);
  g_string_free (self->left, TRUE);
  g_free (self->mark);
  g_free (self);
}
