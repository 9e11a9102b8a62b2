/* parallel-worker-pool.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-pool-places.h"
#include "parallel-process-stop.h"
#include "parallel-remote-command.h"
#include "parallel-step-private.h"
#include "parallel-worker-link.h"
#include "parallel-worker-process.h"
#include "parallel-worker-task-private.h"

G_BEGIN_DECLS

/* The workers of one task for one run. Engine thread only, all of it.
 *
 * Steps that the run hands over wait in the pool's queue, in order. A worker that has nothing to do gets the
 * first of them, which begins then. As long as steps prove to be short, each busy worker also has some
 * that wait in front of it, so that it never waits itself; these begin when the worker comes to them. If it does not
 * come to them soon, they are taken back and go to others.
 *
 * Where the task has a launcher, each worker has a place, and no more are made than there are slots at the places that are
 * up. The process that is seen here is a relay, which ends as the worker there has ended.
 *
 * A worker lives from its start to the end of its process. It is then freed, in a function that its process
 * or its stop calls, never in one that its link calls. */

typedef struct _ParallelWorkerPool ParallelWorkerPool;
typedef struct _ParallelPoolWorker ParallelPoolWorker;

typedef enum
{
  PARALLEL_POOL_WORKER_STARTING,    /* it is not ready yet, or not set up */
  PARALLEL_POOL_WORKER_UP,
  PARALLEL_POOL_WORKER_LEAVING,     /* it was told to go, or is broken, and gets nothing more */
  PARALLEL_POOL_WORKER_STOPPING     /* it is being killed */
} ParallelPoolWorkerState;

/* A step, in the pool's queue and then with a worker. */
typedef struct
{
  ParallelStep *step;       /* borrowed: its run keeps it until it is told of the end */
  GBytes       *input;
  guint64       serial;
  gboolean      begun;
  gboolean      claimed;    /* until it is begun, the worker has to claim it */
  gboolean      marked;     /* all of its output is there */
  GBytes       *payload;    /* of the RESULT, or NULL */
} ParallelPoolRequest;

struct _ParallelPoolWorker
{
  ParallelWorkerPool      *pool;
  ParallelPoolWorkerState  state;
  ParallelWorkerProcess    process;
  ParallelWorkerLink      *link;
  int                      claim_fds[2];    /* a pipe: this side's end for reading, and for writing; or -1 */
  int                      stack_fd;        /* or -1 */
  guint                    stack_signal;
  gboolean                 can_claim;
  GQueue                   requests;        /* of ParallelPoolRequest; the first is done now */
  gint64                   began;           /* when the first one began, monotonic time */
  guint                    n_done;
  ParallelStep            *onexit;          /* borrowed, as above, or NULL */
  GBytes                  *left;            /* the payload of LEFT, or NULL */
  gboolean                 is_ready;        /* it has said so; it is up when its pid is known, too */
  gboolean                 was_up;
  GByteArray              *early;           /* output that came when no step was being done */
  GError                  *fault;           /* what it did wrong, or why it is no good */
  ParallelProcessStop     *stop;
  GSource                 *timer;           /* it has to be ready, or gone, soon */
  GSource                 *mark_timer;      /* the first request is answered, but its output goes on */
  gboolean                 deaf;            /* it has closed its answers, or does not take what it is sent */
  gboolean                 ending;          /* it has little time to do so by itself */
  gboolean                 exited;
  int                      wait_status;

  /* With a launcher. */
  int                      place;           /* of the pool's places, or -1 */
  ParallelPieces           pieces;          /* of what commands print */
  gboolean                 has_pieces_only; /* its setup is over, and nobody else prints any more */
  GString                 *relay_words;     /* why the worker was lost, or NULL */
};

struct _ParallelWorkerPool
{
  ParallelWorkerTask       *task;           /* borrowed: the run keeps it until the pool is closed */
  gpointer                  host;           /* a reference */
  const ParallelStepHost   *host_class;
  GQueue                    queue;          /* of ParallelPoolRequest: nobody has them yet */
  GPtrArray                *workers;        /* of ParallelPoolWorker */
  guint64                   last_serial;
  double                    typical;        /* how long a step takes, microseconds; negative: not known */
  guint                     ahead;          /* as the host was told */
  GSource                  *timer;          /* while something waits in front of workers */
  GError                   *broken;         /* the workers cannot even start */
  gint64                    failed_starts[3]; /* the last ones, monotonic time */
  guint                     n_failed_starts;
  gboolean                  closing;

  /* With a launcher. */
  const GPtrArray          *place_list;     /* of ParallelPlace, the launcher's; NULL until it is ready */
  ParallelPoolPlaces       *places;
  gboolean                  is_preparing;
  gboolean                  is_asking;      /* the launcher, right now */
  GSource                  *place_timer;    /* when a place that is down may be tried again */
};

/* ---- parallel-pool-worker.c ---- */

/* Starts one, at the place with this index where the task has a launcher. FALSE: it could not be started at all. */
gboolean             parallel_pool_worker_start     (ParallelWorkerPool    *pool,
                                                     int                    place,
                                                     GError               **error);
/* The step that it does is to be stopped, and the worker with it. */
void                 parallel_pool_worker_stop      (ParallelPoolWorker    *self,
                                                     const char            *sequence,
                                                     double                 grace);
/* It does not keep to the protocol, as @text says: kills it. */
void                 parallel_pool_worker_protest   (ParallelPoolWorker    *self,
                                                     const char            *text);
/* @step has begun in it: tells where it can be seen. */
void                 parallel_pool_worker_show      (ParallelPoolWorker    *self,
                                                     ParallelStep          *step);
/* It is to end, after its onexit if it has done anything. */
void                 parallel_pool_worker_leave     (ParallelPoolWorker    *self);
void                 parallel_pool_worker_free      (ParallelPoolWorker    *self);

/* ---- parallel-pool-output.c ---- */

/* Of ParallelWorkerLinkFuncs. */
void                 parallel_pool_worker_take_output (gpointer             owner,
                                                     const guint8          *data,
                                                     gsize                  size);
void                 parallel_pool_worker_take_mark (gpointer               owner,
                                                     guint64                serial);
/* The one whose output comes now, or NULL. */
ParallelStep        *parallel_pool_worker_get_current_step (ParallelPoolWorker *self);
/* What it printed when no step was being done is the output of @step. */
void                 parallel_pool_worker_show_early (ParallelPoolWorker   *self,
                                                     ParallelStep          *step);
/* Ends the steps of which all output and the answer is there. They come in two streams, each of them in order. */
void                 parallel_pool_worker_finish_complete (ParallelPoolWorker *self);

/* ---- parallel-pool-requests.c ---- */

/* Whether it can be given more. */
gboolean             parallel_pool_worker_is_up     (ParallelPoolWorker    *self);
gboolean             parallel_pool_worker_is_idle   (ParallelPoolWorker    *self);
/* Whether the numbers of what it has done are out of the pipe. */
gboolean             parallel_pool_worker_reads_claims (ParallelPoolWorker *self);
ParallelPoolRequest *parallel_pool_worker_find      (ParallelPoolWorker    *self,
                                                     guint64                serial);
/* Takes and sends what has begun, or is to wait in front of the worker. */
void                 parallel_pool_worker_give      (ParallelPoolWorker    *self,
                                                     ParallelPoolRequest  **requests,
                                                     guint                  n_requests);
/* Takes back all that the worker has not begun, to the head of the pool's queue. The first of that may have begun for
 * the run. To be followed by a schedule. */
void                 parallel_pool_worker_recall    (ParallelPoolWorker    *self);

/* ---- parallel-pool-death.c ---- */

/* What is left of the worker, whose process has ended or does not go: ends its steps, and frees it. */
void                 parallel_pool_worker_bury      (ParallelPoolWorker    *self,
                                                     const char            *left);
/* Without a process. Takes @error. */
void                 parallel_pool_worker_miscarry  (ParallelPoolWorker    *self,
                                                     GError                *error);

/* ---- parallel-worker-pool.c ---- */

/* Begins @request. Where there is no slot it is still the caller's; where its step is gone, it is gone too. */
ParallelBegin        parallel_worker_pool_begin     (ParallelWorkerPool    *self,
                                                     ParallelPoolRequest   *request,
                                                     gboolean               runs);
void                 parallel_pool_request_free     (ParallelPoolRequest   *request);
/* The first request of the worker is done: ends it, and begins the next one there. */
void                 parallel_worker_pool_finish    (ParallelWorkerPool    *self,
                                                     ParallelPoolWorker    *worker);
/* Gives out what there is to do. */
void                 parallel_worker_pool_schedule  (ParallelWorkerPool    *self);
/* A worker ended before it could do anything. Takes @error, which says why. */
void                 parallel_worker_pool_start_failed (ParallelWorkerPool *self,
                                                     GError                *error);
/* ---- parallel-pool-launcher.c ---- */

/* Whether workers can be started now; if not, the pool is scheduled again when they can. */
gboolean             parallel_pool_launcher_is_ready (ParallelWorkerPool   *pool);
/* The place for one more worker. FALSE: there is none for now. */
gboolean             parallel_pool_launcher_take_place (ParallelWorkerPool *pool,
                                                     int                   *place);
/* The worker is of no use any more. Whether that is its place's fault, which will not be tried again at once, while
 * others are. */
gboolean             parallel_pool_launcher_blames_place (ParallelWorkerPool *pool,
                                                     ParallelPoolWorker    *worker);
void                 parallel_pool_launcher_forget  (ParallelWorkerPool    *pool);

/* ---- parallel-worker-pool.c ---- */

/* The worker is not there any more. */
void                 parallel_worker_pool_remove    (ParallelWorkerPool    *self,
                                                     ParallelPoolWorker    *worker);

/* For the task's table. */
void                 parallel_worker_pool_hand      (ParallelTask          *task,
                                                     ParallelStep          *step);
void                 parallel_worker_pool_stop_step (ParallelTask          *task,
                                                     ParallelStep          *step);
void                 parallel_worker_pool_wake      (ParallelTask          *task,
                                                     gpointer               host);
void                 parallel_worker_pool_recall    (ParallelTask          *task,
                                                     gpointer               host);
gboolean             parallel_worker_pool_close     (ParallelTask          *task,
                                                     gpointer               host);

G_END_DECLS
