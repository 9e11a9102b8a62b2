/* parallel-step-private.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-fork.h"
#include "parallel-output.h"
#include "parallel-step.h"

G_BEGIN_DECLS

typedef enum
{
  PARALLEL_BEGIN_BEGUN,     /* it runs now */
  PARALLEL_BEGIN_NO_SLOT,   /* not now: a slot is free when the pool is woken */
  PARALLEL_BEGIN_GONE       /* it is not to run, and not to be touched any more */
} ParallelBegin;

/* What a step tells the run that it belongs to. The step knows no more of it than this table, so
 * that steps and tasks stay below runs. All are called without a lock of the step's, in the
 * thread that told the step. */
typedef struct
{
  gpointer        (*ref)        (gpointer        host);
  void            (*unref)      (gpointer        host);

  /* The attempt runs now; only from tasks in the engine, the run itself knows of the others. */
  void            (*started)    (gpointer        host,
                                 ParallelStep   *step);
  ParallelOutput *(*new_output) (gpointer        host,
                                 ParallelStep   *step,
                                 guint           part);
  /* The first output on a stream is there. */
  void            (*opened)     (gpointer        host,
                                 ParallelStep   *step);
  void            (*wrote)      (gpointer        host,
                                 ParallelStep   *step);
  /* Engine thread: the program has only to end now. */
  void            (*leaving)    (gpointer        host,
                                 ParallelStep   *step);
  /* The attempt ended; takes @error. */
  void            (*ended)      (gpointer        host,
                                 ParallelStep   *step,
                                 GError         *error);
  /* The step is to be stopped; takes @reason. */
  void            (*stop)       (gpointer        host,
                                 ParallelStep   *step,
                                 GError         *reason);
  /* Some of the properties that the user can watch have changed. */
  void            (*changed)    (gpointer        host,
                                 ParallelStep   *step);

  /* For pools, in the engine thread. */

  /* Begins the attempt of a step that was handed over. @runs: a worker has begun it already, so it
   * begins in any case; if it was to be stopped, that is done then as with any other. */
  ParallelBegin   (*begin)      (gpointer        host,
                                 ParallelStep   *step,
                                 gboolean        runs);
  /* The step was not begun: it goes back to the head of the queue, or is skipped. */
  void            (*give_back)  (gpointer        host,
                                 ParallelStep   *step);
  /* How many steps may begin now. */
  guint           (*get_slots)  (gpointer        host);
  /* How many steps more than there are slots for are to be handed over. */
  void            (*set_ahead)  (gpointer        host,
                                 guint           ahead);
  /* How many steps run at once if nobody has said so. */
  void            (*set_default_slots) (gpointer host,
                                        guint    n_slots);
  /* Keeps the slot of the step that ends next for one that begins right after it with @runs. */
  void            (*reserve)    (gpointer        host);
  void            (*unreserve)  (gpointer        host);
  /* The onexit of one of the processes of @task, begun: a step that is ended like any other. NULL: there is to be
   * none, because the run was halted. */
  ParallelStep   *(*begin_onexit) (gpointer      host,
                                   ParallelTask *task);
  /* The answer to close(). */
  void            (*closed)     (gpointer        host);
} ParallelStepHost;

/* What the user set on a step, or what a runner has for the steps that set nothing. Times in
 * seconds; negative: not set. */
typedef struct
{
  double      timeout;
  double      silence_timeout;
  double      exit_timeout;
  double      kill_grace;
  double      retry_delay;
  int         max_attempts;
  gint64      output_limit;
  const char *stop_sequence;    /* interned and valid, or NULL: not set */
} ParallelStepLimits;

#define PARALLEL_STEP_LIMITS_UNSET ((ParallelStepLimits) { -1, -1, -1, -1, -1, -1, -1, NULL })

/* Where a step runs, for those who look from outside. */
typedef struct
{
  int   pid;        /* also its process group; 0: no program */
  char *mark;       /* of all the program's descendants, to be freed */
  int   tid;        /* of the worker thread, 0: none */
  int   stack_signal; /* makes the process write its stacks into stack_fd; 0: it does not */
  int   stack_fd;
} ParallelWhereabouts;

typedef enum
{
  PARALLEL_STEP_CHANGED_PROGRESS  = 1 << 0,
  PARALLEL_STEP_CHANGED_STATUS    = 1 << 1,
  PARALLEL_STEP_CHANGED_LAST_LINE = 1 << 2,
  PARALLEL_STEP_CHANGED_STATE     = 1 << 3,
  PARALLEL_STEP_CHANGED_NAME      = 1 << 4,
  PARALLEL_STEP_CHANGED_DIAGNOSIS = 1 << 5
} ParallelStepChanges;

struct _ParallelStep
{
  GObject                 parent_instance;

  /* Constant once the step is in a run. */
  ParallelTask           *task;
  GValue                  input;
  gint64                  index;
  int                     priority;
  ParallelStepLimits     *limits;         /* NULL: nothing set */

  /* Accessed atomically. */
  gint                    watched;        /* somebody outside of the library may look at the step */

  /* Constant. */
  int                     generation;     /* of the process that made it */

  /* Guarded by write_mutex, which is held while a function step's output is appended. */
  GMutex                  write_mutex;

  /* Guarded by mutex. */
  GMutex                  mutex;
  const ParallelStepHost *host_class;     /* NULL: not in a run yet */
  gpointer                host;           /* a reference, while the step is in a run and not finished */
  gpointer                item;           /* the run's own, not touched here */
  char                   *name;
  ParallelStepState       state;
  gboolean                ending;         /* the running attempt has been ended by somebody */
  gboolean                abandoned;      /* its thread may still run; set once, before the end is told */
  gboolean                returned;       /* the end is told by its thread, which is free now */
  gpointer                watches[2];     /* the run's clocks of the running attempt, not touched here */
  guint                   attempt;
  guint                   changes;        /* of ParallelStepChanges, not yet notified */
  gint64                  started;        /* monotonic time, microseconds */
  gint64                  ended;
  gint64                  activity;       /* the last sign of life, monotonic time */
  gint64                  leaving;        /* since when it only has to end, monotonic time, or 0 */
  ParallelStepLimits      attempt_limits; /* of the running attempt: all of them set */
  ParallelWhereabouts     whereabouts;    /* of the running attempt */
  gboolean                diagnosing;     /* it is looked at before it is stopped */
  char                   *diagnosis;      /* of the last attempt */
  GCancellable           *cancellable;    /* of the running attempt */
  GError                 *stop_reason;    /* why the running attempt is being stopped */
  GError                 *error;
  GBytes                 *failure_details; /* of the last attempt, or NULL */
  GPtrArray              *attempt_errors; /* of char *, or NULL */
  GValue                  result;
  ParallelOutput         *outputs[PARALLEL_N_PARTS];
  ParallelOutputStream    last_stream;    /* the one last written to */
  GSubprocess            *subprocess;
  int                     exit_status;    /* -1: did not exit */
  int                     term_signal;
  double                  user_time;      /* -1: not known */
  double                  system_time;
  gint64                  max_rss;
  double                  progress;       /* -1: not known */
  char                   *status;
};

/* In a forked child, a step of the parent's is only looked at: the lock may be held for ever by a
 * thread that is not here. */
static inline gboolean
parallel_step_is_foreign (ParallelStep *self)
{
  return self->generation != parallel_fork_generation;
}

static inline void
parallel_step_lock (ParallelStep *self)
{
  if (!parallel_step_is_foreign (self))
    g_mutex_lock (&self->mutex);
}

static inline void
parallel_step_unlock (ParallelStep *self)
{
  if (!parallel_step_is_foreign (self))
    g_mutex_unlock (&self->mutex);
}

/* Setters are for the time before the step is in a run: from then on other threads read without a
 * lock. */
static inline gboolean
parallel_step_is_in_run (ParallelStep *self)
{
  gboolean in_run;

  parallel_step_lock (self);
  in_run = self->host_class != NULL;
  parallel_step_unlock (self);

  return in_run;
}

/* Each getter takes the lock for one field; they differ in nothing else. */
#define LOCKED_GETTER(self, type, expression) \
  G_STMT_START { \
    type _value; \
    parallel_step_lock (self); \
    _value = (expression); \
    parallel_step_unlock (self); \
    return _value; \
  } G_STMT_END

/* A step without a task and an input, which a run fills in when it needs one. */
ParallelStep   *parallel_step_new_spare          (void);

/* Puts the step into a run, once in its life: FALSE when it is in one already. */
gboolean        parallel_step_attach             (ParallelStep            *self,
                                                  const ParallelStepHost  *host_class,
                                                  gpointer                 host,
                                                  gpointer                 item);
gpointer        parallel_step_get_item           (ParallelStep            *self);
void            parallel_step_set_index          (ParallelStep            *self,
                                                  gint64                   index);

/* The value of one limit: the step's own if set, else the one in @fallback. */
ParallelStepLimits parallel_step_get_limits      (ParallelStep             *self,
                                                  const ParallelStepLimits *fallback);

/* The life of an attempt, told by the run. @tid: the thread that it occupies, or 0. */
void            parallel_step_begin              (ParallelStep             *self,
                                                  GCancellable             *cancellable,
                                                  const ParallelStepLimits *limits,
                                                  int                       tid);
/* Takes @error. The step is pending again. */
void            parallel_step_begin_again        (ParallelStep            *self,
                                                  GError                  *error);
/* Takes @error. The step is in its last state; lets go of the run. */
void            parallel_step_settle             (ParallelStep            *self,
                                                  ParallelStepState        state,
                                                  GError                  *error);

/* The life of an attempt, told by the task. The first to end it is the one that counts: an
 * abandoned function that returns late is not heard. */
void            parallel_step_report_started     (ParallelStep            *self);
/* Takes @error, NULL for success. Who has no reference of its own does not touch the step
 * afterwards. */
void            parallel_step_end                (ParallelStep            *self,
                                                  GError                  *error);
/* The same, told by the thread that the attempt has occupied, when it has nothing more to do for it. */
void            parallel_step_return             (ParallelStep            *self,
                                                  GError                  *error);
/* Ends the attempt although its code has not returned. */
void            parallel_step_abandon            (ParallelStep            *self);
/* @subprocess may be NULL all the same. */
void            parallel_step_set_process        (ParallelStep            *self,
                                                  GSubprocess             *subprocess,
                                                  int                      pid,
                                                  const char              *mark);
/* Where the process shows its stacks. @fd, non-blocking, stays open as long as the attempt runs. */
void            parallel_step_set_stacks         (ParallelStep            *self,
                                                  int                      signum,
                                                  int                      fd);
/* The code of the step has done what it had to do, and only has to end: its exit timeout begins. */
void            parallel_step_begin_leaving      (ParallelStep            *self);
/* A reference is taken. */
void            parallel_step_set_failure_details (ParallelStep           *self,
                                                  GBytes                  *details);
void            parallel_step_set_exit           (ParallelStep            *self,
                                                  int                      exit_status,
                                                  int                      term_signal);
void            parallel_step_set_usage          (ParallelStep            *self,
                                                  double                   user_time,
                                                  double                   system_time,
                                                  gint64                   max_rss);
/* The output to append to; NULL when no attempt is running. */
ParallelOutput *parallel_step_dup_stream         (ParallelStep            *self,
                                                  ParallelOutputStream     stream);
/* The same, for PARALLEL_PART_NOTE too. */
ParallelOutput *parallel_step_dup_part           (ParallelStep            *self,
                                                  guint                    part);
/* Something was appended to it. */
void            parallel_step_wrote              (ParallelStep            *self,
                                                  ParallelOutputStream     stream);
GCancellable   *parallel_step_dup_cancellable    (ParallelStep            *self);
/* For the thread that the attempt occupies: it has a reference of its own. */
GCancellable   *parallel_step_get_cancellable    (ParallelStep            *self);

/* Stopping. Returns FALSE when no attempt runs or it is being stopped already. Takes @reason in
 * any case. */
gboolean        parallel_step_take_stop_reason   (ParallelStep            *self,
                                                  GError                  *reason);
GError         *parallel_step_dup_stop_reason    (ParallelStep            *self);
/* Whether the running attempt has a stop reason: the one before, which ended in time, may have
 * had it. */
gboolean        parallel_step_is_being_stopped   (ParallelStep            *self);
/* More is known of the stop: adds to the reason, if there is one, "; ", @text and @more, which may
 * be NULL. */
void            parallel_step_add_to_stop_reason (ParallelStep            *self,
                                                  const char              *text,
                                                  const char              *more);
gint64          parallel_step_get_activity       (ParallelStep            *self);
/* The kill grace of the running attempt, in seconds. */
double          parallel_step_get_grace          (ParallelStep            *self);
gint64          parallel_step_get_started        (ParallelStep            *self);
gint64          parallel_step_get_leaving        (ParallelStep            *self);
ParallelStepLimits parallel_step_get_attempt_limits (ParallelStep         *self);

/* What a look at the step from outside needs and shows. The mark is to be freed. */
ParallelWhereabouts parallel_step_get_whereabouts (ParallelStep           *self);
/* Whether the step is being looked at before it is stopped; only the first call for a TRUE and for a
 * FALSE returns TRUE. */
gboolean        parallel_step_set_diagnosing     (ParallelStep            *self,
                                                  gboolean                 diagnosing);
/* Keeps what was seen, and prints it in the step's place, with the line @heading above. */
void            parallel_step_take_diagnosis     (ParallelStep            *self,
                                                  const char              *heading,
                                                  char                    *diagnosis);

/* Refs to the outputs, or NULL. */
void            parallel_step_dup_outputs        (ParallelStep            *self,
                                                  ParallelOutput          *outputs[PARALLEL_N_PARTS]);

/* Owner's context: notifies what has changed since the last time. */
void            parallel_step_notify_changes     (ParallelStep            *self);
/* Any thread: marks @change; returns whether the run must be told to have it notified. */
gboolean        parallel_step_mark_changed       (ParallelStep            *self,
                                                  ParallelStepChanges      change);

/* Whether the step may be freed in any thread: nobody outside of the library watches it, and no
 * value in it brings code of the user's with it. */
gboolean        parallel_step_can_drop_anywhere  (ParallelStep            *self);

/* The host with a reference, so that it can be called after the lock is gone; NULL outside of a
 * run. */
gpointer        parallel_step_dup_host           (ParallelStep            *self);
/* Not to be called when the step may be gone: its last user is told by the host that it has
 * ended. */
void            parallel_step_drop_host          (ParallelStep            *self,
                                                  gpointer                 host);
void            parallel_step_clear_host         (ParallelStep            *self);

G_END_DECLS
