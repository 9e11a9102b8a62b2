/* parallel-launcher-core.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-launcher-core.h"

#include "parallel-allocation.h"
#include "parallel-engine.h"
#include "parallel-fork.h"
#include "parallel-spawn-error.h"

typedef enum
{
  CORE_IDLE,      /* nobody has asked yet, or it has failed, or the allocation has ended */
  CORE_WAITING,   /* for an allocation */
  CORE_READY
} CoreState;

typedef struct
{
  ParallelLauncherReady callback;
  gpointer              user_data;
} Waiter;

struct _ParallelLauncherCore
{
  gatomicrefcount      ref_count;

  /* Constant after construction. */
  GWeakRef             launcher;
  GMainContext        *context;         /* the owner's */
  gboolean             is_slurm;
  char               **options;         /* for the allocation; NULL: none is needed */
  GError              *broken;          /* what is wrong for good, or NULL */

  /* Any thread, atomically. */
  gint                 is_used;         /* by the engine */

  /* Guarded by mutex. */
  GMutex               mutex;
  char                *status;
  guint                n_slots;

  /* Engine thread only. */
  int                  generation;      /* of the process that has the allocation */
  CoreState            state;
  char                *job;
  GPtrArray           *places;          /* of ParallelPlace */
  GPtrArray           *former;          /* of earlier such arrays, which somebody may still look at */
  ParallelAllocation  *allocation;      /* NULL but while waiting and, outside of an allocation, ready */
  GQueue               waiters;         /* of Waiter */
  GQueue               told;            /* of Waiter: those who are about to be called */
};

static ParallelLauncherCore *
core_ref (ParallelLauncherCore *self)
{
  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

static void
core_unref (ParallelLauncherCore *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_queue_clear_full (&self->waiters, g_free);
  g_queue_clear_full (&self->told, g_free);
  g_clear_pointer (&self->places, g_ptr_array_unref);
  g_ptr_array_unref (self->former);
  g_free (self->job);
  g_free (self->status);
  g_strfreev (self->options);
  g_clear_error (&self->broken);
  g_main_context_unref (self->context);
  g_weak_ref_clear (&self->launcher);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

/* ---- what the owner sees ---- */

typedef struct
{
  ParallelLauncherCore *core;
  const char           *property;
  int                   generation;
} Notice;

static void
notice_free (gpointer data)
{
  Notice *notice = data;

  core_unref (notice->core);
  g_free (notice);
}

static gboolean
notify_cb (gpointer user_data)
{
  Notice *notice = user_data;
  g_autoptr (ParallelLauncher) launcher = g_weak_ref_get (&notice->core->launcher);

  if (launcher != NULL && notice->generation == parallel_fork_generation)
    g_object_notify (G_OBJECT (launcher), notice->property);

  return G_SOURCE_REMOVE;
}

/* Once or twice an allocation, so a source for each will do. */
static void
notify_owner (ParallelLauncherCore *self,
              const char           *property)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  Notice *notice = g_new (Notice, 1);

  notice->core = core_ref (self);
  notice->property = property;
  notice->generation = parallel_fork_generation;
  g_source_set_static_name (source, "[parallel] launcher");
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, notify_cb, notice, notice_free);
  g_source_attach (source, self->context);
}

static void
set_status (ParallelLauncherCore *self,
            const char           *status)
{
  gboolean changed;

  g_mutex_lock (&self->mutex);
  changed = g_strcmp0 (self->status, status) != 0;
  if (changed)
    {
      g_free (self->status);
      self->status = g_strdup (status);
    }
  g_mutex_unlock (&self->mutex);

  if (changed)
    notify_owner (self, "status");
}

static guint
count_slots (GPtrArray *places)
{
  guint n = 0;

  for (guint i = 0; places != NULL && i < places->len; i++)
    n += ((ParallelPlace *) places->pdata[i])->n_slots;

  return n;
}

static void
set_n_slots (ParallelLauncherCore *self,
             guint                 n_slots)
{
  gboolean changed;

  g_mutex_lock (&self->mutex);
  changed = self->n_slots != n_slots;
  self->n_slots = n_slots;
  g_mutex_unlock (&self->mutex);

  if (changed)
    notify_owner (self, "n-slots");
}

char *
parallel_launcher_core_dup_status (ParallelLauncherCore *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return g_strdup (self->status);
}

guint
parallel_launcher_core_get_n_slots (ParallelLauncherCore *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return self->n_slots;
}

/* ---- who waits ---- */

/* They may ask again, or forget others, while they are called. */
static void
tell_waiters (ParallelLauncherCore *self,
              const GError         *error)
{
  GPtrArray *places = error == NULL ? self->places : NULL;
  Waiter *waiter;

  core_ref (self);
  while ((waiter = g_queue_pop_head (&self->waiters)) != NULL)
    g_queue_push_tail (&self->told, waiter);
  while ((waiter = g_queue_pop_head (&self->told)) != NULL)
    {
      waiter->callback (places, error, waiter->user_data);
      g_free (waiter);
    }
  core_unref (self);
}

static void
remove_waiter (GQueue   *waiters,
               gpointer  user_data)
{
  GList *next;

  for (GList *l = waiters->head; l != NULL; l = next)
    {
      Waiter *waiter = l->data;

      next = l->next;
      if (waiter->user_data == user_data)
        {
          g_queue_delete_link (waiters, l);
          g_free (waiter);
        }
    }
}

/* ---- the allocation ---- */

static void
give_up (ParallelLauncherCore *self)
{
  self->state = CORE_IDLE;
  g_clear_pointer (&self->allocation, parallel_allocation_close);
  set_status (self, NULL);
}

static void
granted_cb (gpointer    owner,
            const char *job,
            GPtrArray  *places)
{
  ParallelLauncherCore *self = owner;

  self->state = CORE_READY;
  g_free (self->job);
  self->job = g_strdup (job);
  if (self->places != NULL)
    g_ptr_array_add (self->former, self->places);
  self->places = places;
  set_status (self, NULL);
  set_n_slots (self, count_slots (places));
  tell_waiters (self, NULL);
}

static void
failed_cb (gpointer  owner,
           GError   *error)
{
  ParallelLauncherCore *self = owner;

  self->allocation = NULL;
  give_up (self);
  tell_waiters (self, error);
  g_error_free (error);
}

/* The job stays, so that what is still started is refused, and does not get an allocation of its own. */
static void
ended_cb (gpointer owner)
{
  ParallelLauncherCore *self = owner;

  self->allocation = NULL;
  give_up (self);
  set_n_slots (self, 0);
}

static const ParallelAllocationFuncs allocation_funcs =
{
  .granted = granted_cb,
  .failed = failed_cb,
  .ended = ended_cb,
};

static gboolean
check_program (const char  *name,
               GError     **error)
{
  const char * const argv[] = { name, NULL };
  const ParallelSpawnRequest request = { .argv = argv, .stdin_fd = -1 };
  g_autofree char *program = NULL;
  int code;

  program = parallel_spawn_find_program (&request, &code);
  if (program != NULL)
    return TRUE;

  g_set_error (error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT,
               "Slurm is not installed here: there is no program “%s” in PATH", name);
  return FALSE;
}

static gboolean
begin (ParallelLauncherCore  *self,
       double                 patience,
       GError               **error)
{
  if (self->broken != NULL)
    {
      g_propagate_error (error, g_error_copy (self->broken));
      return FALSE;
    }
  if (self->is_slurm && !check_program ("srun", error))
    return FALSE;

  if (self->options == NULL)
    {
      self->state = CORE_READY;
      return TRUE;
    }

  if (!check_program ("salloc", error))
    return FALSE;
  self->allocation = parallel_allocation_start ((const char * const *) self->options, patience,
                                                &allocation_funcs, self, error);
  if (self->allocation == NULL)
    return FALSE;

  self->state = CORE_WAITING;
  set_status (self, "waiting for resources");
  return TRUE;
}

/* In a forked child: an allocation that there is can be used, but it is the parent's, and so are those who wait. */
static void
adopt (ParallelLauncherCore *self)
{
  g_mutex_init (&self->mutex);
  self->generation = parallel_fork_generation;
  self->allocation = NULL;
  g_queue_init (&self->waiters);
  g_queue_init (&self->told);
  if (self->state == CORE_WAITING)
    give_up (self);
}

void
parallel_launcher_core_prepare (ParallelLauncherCore  *self,
                                double                 patience,
                                ParallelLauncherReady  callback,
                                gpointer               user_data)
{
  g_autoptr (GError) error = NULL;
  Waiter *waiter = g_new (Waiter, 1);

  g_assert (parallel_engine_is_current ());

  g_atomic_int_set (&self->is_used, TRUE);
  if (self->generation != parallel_fork_generation)
    adopt (self);

  waiter->callback = callback;
  waiter->user_data = user_data;
  g_queue_push_tail (&self->waiters, waiter);

  if (self->state == CORE_WAITING)
    return;
  if (self->state == CORE_IDLE && !begin (self, patience, &error))
    tell_waiters (self, error);
  else if (self->state == CORE_READY)
    tell_waiters (self, NULL);
}

void
parallel_launcher_core_forget (ParallelLauncherCore *self,
                               gpointer              user_data)
{
  g_assert (parallel_engine_is_current ());

  if (self->generation != parallel_fork_generation)
    return;

  remove_waiter (&self->told, user_data);
  remove_waiter (&self->waiters, user_data);
  if (self->state == CORE_WAITING && g_queue_is_empty (&self->waiters))
    give_up (self);
}

const char *
parallel_launcher_core_get_job (ParallelLauncherCore *self)
{
  return self->job;
}

gboolean
parallel_launcher_core_is_slurm (ParallelLauncherCore *self)
{
  return self->is_slurm;
}

/* ---- from the beginning to the end ---- */

static ParallelLauncherCore *
core_new (ParallelLauncher *launcher)
{
  ParallelLauncherCore *self = g_new0 (ParallelLauncherCore, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_weak_ref_init (&self->launcher, launcher);
  g_mutex_init (&self->mutex);
  self->context = g_main_context_ref_thread_default ();
  self->former = g_ptr_array_new_with_free_func ((GDestroyNotify) g_ptr_array_unref);
  parallel_fork_install ();
  self->generation = parallel_fork_generation;

  return self;
}

ParallelLauncherCore *
parallel_launcher_core_new (ParallelLauncher *launcher)
{
  ParallelLauncherCore *self = core_new (launcher);

  self->state = CORE_READY;
  self->places = g_ptr_array_new_with_free_func (parallel_place_free);
  g_ptr_array_add (self->places, parallel_place_new (NULL, 0));

  return self;
}

ParallelLauncherCore *
parallel_launcher_core_new_slurm (ParallelLauncher   *launcher,
                                  const char * const *options)
{
  ParallelLauncherCore *self = core_new (launcher);
  g_auto (GStrv) env = g_get_environ ();
  const char *job = g_environ_getenv (env, "SLURM_JOB_ID");

  self->is_slurm = TRUE;
  if (job == NULL || job[0] == '\0')
    {
      self->options = g_strdupv ((char **) options);
      return self;
    }

  self->job = g_strdup (job);
  self->places = parallel_slurm_find_places ((const char * const *) env, &self->broken);
  self->n_slots = count_slots (self->places);

  return self;
}

typedef struct
{
  ParallelMail          mail;
  ParallelLauncherCore *core;
} CloseMail;

static void
close_in_engine (ParallelMail *mail,
                 gboolean      closed)
{
  ParallelLauncherCore *self = ((CloseMail *) mail)->core;

  if (self->generation == parallel_fork_generation)
    g_clear_pointer (&self->allocation, parallel_allocation_close);
  core_unref (self);
  g_free (mail);
}

void
parallel_launcher_core_close (ParallelLauncherCore *self)
{
  CloseMail *mail;

  /* Only the engine sets it, for somebody who had a reference to the launcher. */
  if (!g_atomic_int_get (&self->is_used) || !parallel_engine_start (NULL))
    {
      core_unref (self);
      return;
    }

  mail = g_new0 (CloseMail, 1);
  mail->core = self;
  parallel_engine_post (&mail->mail, close_in_engine);
}
