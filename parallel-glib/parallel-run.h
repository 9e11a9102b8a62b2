/* parallel-run.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <signal.h>

#include "parallel-fork.h"
#include "parallel-lock.h"
#include "parallel-mailbox.h"
#include "parallel-queue.h"
#include "parallel-sequencer.h"
#include "parallel-spool.h"
#include "parallel-step-private.h"
#include "parallel-types.h"

G_BEGIN_DECLS

/* The core of a runner: the queue, what runs, what has ended. The threads hold this one and never
 * the GObject, which lives in the owner's context; what the owner is to know reaches it as events
 * through a mailbox.
 *
 * Life of an item: pending (queue) -> [handed to a pool ->] running -> [delayed -> pending ->]
 * settled, and then kept or let go. The run is over when it is closed or halted, nothing is pending,
 * delayed, handed or running, each worker's onexit is done and everything is printed. */
typedef struct _ParallelRun ParallelRun;
typedef struct _ParallelWorkerThread ParallelWorkerThread;
typedef struct _ParallelSinkWatch ParallelSinkWatch;

typedef enum
{
  PARALLEL_EVENT_STEP_STARTED,
  PARALLEL_EVENT_STEP_FINISHED,   /* item: with its place in the list model */
  PARALLEL_EVENT_STEP_CHANGED,    /* notify its properties */
  PARALLEL_EVENT_OUTPUT,          /* a part of an output is printed */
  PARALLEL_EVENT_POKED,           /* counters, waiters, new items of the list model */
  PARALLEL_EVENT_OVER,
  PARALLEL_EVENT_START,           /* an attempt is to be started in the owner's context */
  PARALLEL_EVENT_CANCEL,          /* a step of the owner's context is to be cancelled */
  PARALLEL_EVENT_DROP             /* only the references in it are to be dropped */
} ParallelEventKind;

typedef struct
{
  ParallelMail          mail;
  ParallelEventKind     kind;
  ParallelRun          *run;
  ParallelItem         *item;
  ParallelStep         *step;
  gboolean              removed;    /* finished, and not kept */
  ParallelOutput       *output;
  ParallelOutputStream  stream;
  guint64               offset;
  guint64               length;
} ParallelEvent;

typedef enum
{
  PARALLEL_LISTENS_STARTED  = 1 << 0,
  PARALLEL_LISTENS_FINISHED = 1 << 1,
  PARALLEL_LISTENS_OUTPUT   = 1 << 2,
  PARALLEL_LISTENS_NOTIFY   = 1 << 3
} ParallelListens;

/* What the run needs of the object in front of it. */
typedef struct
{
  /* Owner's context, without a lock. */
  void     (*deliver) (gpointer             owner,
                       const ParallelEvent *event);
  /* Any thread, with the run's lock held: for which of the @wanted signals a handler is connected. */
  ParallelListens (*get_listens) (gpointer         owner,
                                  ParallelListens  wanted);
} ParallelRunOwner;

typedef struct
{
  guint                     max_parallel;
  gboolean                  max_parallel_is_set; /* by the user */
  guint                     max_pending;      /* 0: no bound */
  gboolean                  halt_on_error;
  ParallelKeepSteps         keep;
  ParallelStepLimits        limits;
  ParallelOutputLimitPolicy output_limit_policy;
  gboolean                  backtraces;       /* in diagnoses */
} ParallelRunConfig;

typedef enum
{
  PARALLEL_RUN_GOES_ON,
  PARALLEL_RUN_HALTED_SOON,
  PARALLEL_RUN_HALTED_NOW
} ParallelRunHalt;

struct _ParallelRun
{
  gatomicrefcount         ref_count;

  /* Constant after construction. */
  int                     generation;       /* of the process that made it */
  GMainContext           *context;          /* the owner's */
  GThread                *creator;
  ParallelMailbox        *mailbox;          /* to the owner's context */
  ParallelSpool          *spool;
  ParallelSequencer      *sequencer;
  sigset_t                signal_mask;      /* of the creator, for the worker threads */

  /* Engine thread only. */
  GQueue                  delays;           /* in parallel-run-delay.c */
  ParallelSinkWatch      *sink_watch;       /* in parallel-run-over.c, or NULL */

  /* Owner's context only. */
  guint                   n_waits;          /* synchronous waits, one inside of the other */

  /* Accessed atomically. */
  gint                    n_holds;          /* see parallel_run_hold() */
  gint                    unsure;           /* whoever lets go of the last hold has to look whether the run is over */

  /* Guarded by mutex. */
  GMutex                  mutex;
  GCond                   work_cond;        /* for idle workers */
  GCond                   over_cond;        /* for waits */
  const ParallelRunOwner *owner_class;
  gpointer                owner;            /* borrowed; NULL once the object is gone */
  ParallelRunConfig       config;
  ParallelTask           *task;             /* for inputs without a step; NULL after the run was let go */
  ParallelTask           *onexit_task;
  ParallelQueue           pending;
  ParallelItemList        delayed;          /* to be tried again after a delay */
  ParallelItemList        running;
  ParallelItemList        handed;           /* to pools, which have not begun them yet */
  GPtrArray              *pools;            /* of ParallelTask: all that were ever handed a step; or NULL */
  guint                   n_open_pools;
  gboolean                pools_closing;
  guint                   ahead;            /* how many steps are handed over beyond the slots */
  guint                   n_reserved;       /* slots, for steps that pools begin at once */
  ParallelItemList        kept;             /* settled, as the keep policy says */
  ParallelItemList        skipped;
  GQueue                  ready;            /* of ParallelItem: finished and not yet taken by next() */
  GQueue                  added;            /* of ParallelItem: for the list model */
  gboolean                model_active;
  gboolean                poked;            /* a POKED event is under way */
  gboolean                has_waiters;
  gboolean                taking;           /* next() is in use */
  ParallelEvent          *last_output;      /* under way; may still be extended */
  guint                   n_workers;
  guint                   n_idle_workers;
  gint64                  n_indexes;
  guint64                 n_put;
  guint64                 n_succeeded;
  guint64                 n_failed;
  guint64                 n_halted;
  GPtrArray              *failure_lines;    /* of ParallelFailureLine, by index, bounded */
  GError                 *end_error;        /* cancelled, or a sink failed */
  ParallelRunHalt         halt;
  ParallelOutputMode      output_mode;      /* this and the next three: for the sequencer */
  ParallelSink           *sinks[2];
  gboolean                hold;
  double                  keep_alive;
  gboolean                begun;            /* the first step was put, the output is set up */
  gboolean                closed;
  gboolean                paused;
  gboolean                sequencer_closed;
  gboolean                over;
};

/* In a forked child, a run of the parent's is not touched: its threads are not here, and its lock
 * may be held for ever by one of them. */
static inline gboolean
parallel_run_is_foreign (ParallelRun *run)
{
  return run->generation != parallel_fork_generation;
}

static inline void
parallel_run_lock (ParallelRun *run)
{
  if (!parallel_run_is_foreign (run))
    parallel_lock (&run->mutex);
}

static inline void
parallel_run_unlock (ParallelRun *run)
{
  if (!parallel_run_is_foreign (run))
    g_mutex_unlock (&run->mutex);
}

/* The error for whoever wants something of it. */
gboolean      parallel_run_check_foreign  (ParallelRun            *run,
                                           GError                **error);

ParallelRun  *parallel_run_new            (const ParallelRunOwner *owner_class,
                                           gpointer                owner);
ParallelRun  *parallel_run_ref            (ParallelRun      *run);
void          parallel_run_unref          (ParallelRun      *run);

/* Owner's context, when the object goes: halts what runs, and never calls the owner again. */
void          parallel_run_let_go         (ParallelRun      *run);

/* Owner's context: how the output goes, until the first step is put. Takes references. */
void          parallel_run_set_output     (ParallelRun         *run,
                                           ParallelOutputMode   mode,
                                           ParallelSink        *stdout_sink,
                                           ParallelSink        *stderr_sink,
                                           gboolean             hold,
                                           double               keep_alive);

/* Any thread. Takes an input by @input (its contents) or a @step (a reference is taken). */
gboolean      parallel_run_put            (ParallelRun      *run,
                                           GValue           *input,
                                           ParallelStep     *step,
                                           GError          **error);
void          parallel_run_close          (ParallelRun      *run);
void          parallel_run_halt           (ParallelRun      *run,
                                           ParallelHaltMode  mode);
/* As halt now, with an error that the run ends with. Takes @error. */
void          parallel_run_halt_with      (ParallelRun      *run,
                                           GError           *error);
void          parallel_run_set_paused     (ParallelRun      *run,
                                           gboolean          paused);
void          parallel_run_set_config     (ParallelRun             *run,
                                           const ParallelRunConfig *config);
ParallelRunConfig parallel_run_get_config (ParallelRun      *run);

/* What the run ends with, once it is over: NULL or an error. */
GError       *parallel_run_dup_outcome    (ParallelRun      *run);

/* ---- between the files of the run; the lock is held in _locked, and in no other ---- */

/* What is to be done after the lock is gone. */
typedef struct
{
  GPtrArray *starts;            /* of ParallelItem, for the engine and the owner */
  gboolean   new_worker;
  gboolean   close_sequencer;
  gboolean   wake_pools;
  gboolean   close_pools;
  gboolean   poke;
} ParallelActions;

void          parallel_run_dispatch_locked   (ParallelRun      *run,
                                              ParallelActions  *actions);
GError       *parallel_run_halted_error      (void);
/* It will never run; whoever looks at it is told. */
void          parallel_run_skip_step_locked  (ParallelRun      *run,
                                              ParallelItem     *item);
void          parallel_run_check_over_locked (ParallelRun      *run,
                                              ParallelActions  *actions);
void          parallel_run_poke_locked       (ParallelRun      *run,
                                              ParallelActions  *actions);
void          parallel_run_poke_for_locked   (ParallelRun      *run,
                                              ParallelListens   listens,
                                              ParallelActions  *actions);
void          parallel_run_act               (ParallelRun      *run,
                                              ParallelActions  *actions);
/* Which of @wanted somebody waits for. It is asked once while the lock is held, since the question costs as much as
 * all else that is done under the lock. */
ParallelListens parallel_run_get_listens_locked (ParallelRun   *run,
                                                 ParallelListens wanted);
gboolean      parallel_run_can_start_locked  (ParallelRun      *run);
guint         parallel_run_get_n_waiting_locked (ParallelRun   *run);
/* Whether the next item is a function's. */
gboolean      parallel_run_head_is_for_thread_locked (ParallelRun *run);
/* Moves @item, taken from the queue, to what runs. */
void          parallel_run_mark_running_locked (ParallelRun    *run,
                                                ParallelItem   *item);

/* parallel-run-step.c and parallel-run-settle.c: attempts, their begin and their end. */
extern const ParallelStepHost parallel_run_step_host;

/* Keeps the run from being over until it is released: for what has still to be posted, the ends of
 * steps and references to them that other threads give up. So whoever has waited for the run finds
 * all of it delivered. To be held while something else keeps the run from being over, a step that
 * has not ended for example; not with the lock, on release. */
void          parallel_run_hold           (ParallelRun      *run);
void          parallel_run_release        (ParallelRun      *run);
/* The same, where parallel_run_check_over_locked() was called after the last thing that could bring the end nearer:
 * as long as steps run, this is one atomic operation. */
void          parallel_run_release_looked (ParallelRun      *run);

/* The step of @item, made if there is none. Returns a reference. */
ParallelStep *parallel_run_dup_step       (ParallelRun      *run,
                                           ParallelItem     *item);
/* What an attempt begins with, as it is at one moment. */
typedef struct
{
  ParallelStepLimits limits;
  gboolean           watched;   /* somebody wants to know that it starts */
  gboolean           unwanted;  /* the user has cancelled it, or the run was halted, before it was begun */
} ParallelTerms;

/* Begins an attempt. Takes @spare for the step if the item has none yet. */
void          parallel_run_begin_locked   (ParallelRun      *run,
                                           ParallelItem     *item,
                                           ParallelStep    **spare,
                                           GCancellable     *cancellable,
                                           ParallelListens   listens,
                                           ParallelTerms    *terms);
/* The same without the lock. The step is borrowed. */
ParallelStep *parallel_run_begin_item     (ParallelRun      *run,
                                           ParallelItem     *item,
                                           GCancellable     *cancellable,
                                           ParallelTerms    *terms);
/* An item that is begun, with those terms: whoever looks is told. */
void          parallel_run_tell_begun     (ParallelRun         *run,
                                           ParallelItem        *item,
                                           const ParallelTerms *terms);
/* And then its code starts, in this thread, which must be the right one for its task. */
void          parallel_run_start_begun    (ParallelRun         *run,
                                           ParallelItem        *item,
                                           const ParallelTerms *terms);
/* All of it, but for an item that is skipped because the run was halted meanwhile. */
void          parallel_run_start_item     (ParallelRun      *run,
                                           ParallelItem     *item,
                                           GCancellable     *cancellable);
/* The run was halted between the dispatch of an item and its start: it never ran. */
gboolean      parallel_run_skip_if_halted (ParallelRun      *run,
                                           ParallelItem     *item);
GError       *parallel_run_unwanted_error (void);
/* Ends an item that could not be started. Takes @error. */
void          parallel_run_fail_item      (ParallelRun      *run,
                                           ParallelItem     *item,
                                           GError           *error);
/* Ends an attempt: it is tried again, or settled. Takes @error, which is NULL if all was well. */
void          parallel_run_end_attempt    (ParallelRun      *run,
                                           ParallelStep     *step,
                                           GError           *error);
/* Drops a reference in the owner's context, or here where nobody can see the difference. */
void          parallel_run_drop_step      (ParallelRun      *run,
                                           ParallelStep     *step);
/* Settles an item that waits for another attempt of a halted run. Returns whether it is kept; if not, the
 * caller has to drop it. */
gboolean      parallel_run_settle_delayed_locked (ParallelRun  *run,
                                                  ParallelItem *item);
/* Gives up a reference to an item, and to its step in the same way. */
void          parallel_run_drop_item      (ParallelRun      *run,
                                           ParallelItem     *item);

/* parallel-run-pool.c: tasks that keep processes for the run. */
/* The item was taken from the queue. */
void          parallel_run_mark_handed_locked (ParallelRun     *run,
                                               ParallelItem    *item,
                                               ParallelTask    *task);
/* Engine thread. */
void          parallel_run_hand_item      (ParallelRun      *run,
                                           ParallelItem     *item);
/* Have the engine call the pools. The run was held for it, while the lock was. */
void          parallel_run_wake_pools     (ParallelRun      *run);
void          parallel_run_recall         (ParallelRun      *run);
void          parallel_run_close_pools    (ParallelRun      *run);
/* For the host's table. */
ParallelBegin parallel_run_pool_begin     (gpointer          host,
                                           ParallelStep     *step,
                                           gboolean          runs);
void          parallel_run_pool_give_back (gpointer          host,
                                           ParallelStep     *step);
guint         parallel_run_pool_get_slots (gpointer          host);
void          parallel_run_pool_set_default_slots (gpointer  host,
                                                   guint     n_slots);
void          parallel_run_pool_set_ahead (gpointer          host,
                                           guint             ahead);
void          parallel_run_pool_reserve   (gpointer          host);
void          parallel_run_pool_unreserve (gpointer          host);
ParallelStep *parallel_run_pool_begin_onexit (gpointer       host,
                                              ParallelTask  *task);
void          parallel_run_pool_closed    (gpointer          host);

/* parallel-run-over.c: the run was halted; a sink that takes nothing for the kill grace is given
 * up. */
void          parallel_run_watch_sinks    (ParallelRun      *run);
void          parallel_run_unwatch_sinks  (ParallelRun      *run);

/* parallel-run-stop.c: limits and stopping. */
/* @time and so many seconds, which may be too many. Microseconds. */
gint64        parallel_run_after          (gint64            time,
                                           double            seconds);
void          parallel_run_stop_step      (ParallelRun      *run,
                                           ParallelStep     *step,
                                           GError           *reason);
/* The same in two parts. The first says whether the second is due: from then on the attempt ends
 * with @reason, however it ends. Takes @reason. */
gboolean      parallel_run_mark_stopped   (ParallelRun      *run,
                                           ParallelStep     *step,
                                           GError           *reason);
void          parallel_run_stop_marked    (ParallelRun      *run,
                                           ParallelStep     *step);
/* A step that was marked and is being looked at before it is stopped has no more time for that. */
void          parallel_run_hurry          (ParallelRun      *run,
                                           ParallelStep     *step);
void          parallel_run_watch          (ParallelRun      *run,
                                           ParallelStep     *step,
                                           const ParallelStepLimits *limits);
void          parallel_run_unwatch        (ParallelStep     *step);
/* Engine thread: @step has begun to leave, and its clock must look at that. */
void          parallel_run_rewatch        (ParallelStep     *step);
/* parallel-run-delay.c */
/* Takes a reference to @item, which is in the list of what is delayed. */
void          parallel_run_delay          (ParallelRun      *run,
                                           ParallelItem     *item,
                                           double            seconds);
/* The run was halted: nothing is to wait for another attempt any more. */
void          parallel_run_end_delays     (ParallelRun      *run);

/* parallel-run-events.c: to the owner. */
void          parallel_run_post           (ParallelRun      *run,
                                           ParallelEventKind kind,
                                           ParallelItem     *item,
                                           ParallelStep     *step,
                                           gboolean          removed);
void          parallel_run_event_free     (ParallelEvent    *event);
/* Takes @step, and gives it up in the owner's context. */
void          parallel_run_post_drop      (ParallelRun      *run,
                                           ParallelStep     *step);
/* Calls @func once, when the context is iterated or ends. */
void          parallel_run_free_in_context (GMainContext    *context,
                                           GDestroyNotify    func,
                                           gpointer          data);
extern const ParallelSequencerCallbacks parallel_run_sequencer_callbacks;

/* Any thread: "a (12 s), b (3 s)", the running steps, at most @max of them; NULL when none runs. */
char         *parallel_run_describe_running (ParallelRun    *run,
                                             guint           max);
/* parallel-dump.c; any thread. */
char         *parallel_run_dump           (ParallelRun      *run);

/* parallel-worker-thread.c */
gboolean      parallel_worker_thread_start (ParallelRun     *run,
                                            GError         **error);
int           parallel_worker_thread_get_tid (ParallelWorkerThread *worker);
/* In the thread itself, without the lock: makes what claiming needs. */
void          parallel_worker_thread_prepare (ParallelWorkerThread *worker);
/* In the thread itself, prepared, when it has nothing to do: claims and begins the next item, which it starts when
 * it comes back to its loop. FALSE if there is none for it. */
gboolean      parallel_worker_thread_claim_locked (ParallelWorkerThread *worker,
                                                   ParallelListens       listens,
                                                   ParallelActions      *actions);
void          parallel_worker_thread_abandon_locked (ParallelRun  *run,
                                                     ParallelItem *item);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ParallelRun, parallel_run_unref)

G_END_DECLS
