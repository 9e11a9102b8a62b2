/* parallel-worker-task.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-worker-task-private.h"

#include <string.h>

#include "parallel-run-error.h"
#include "parallel-step-private.h"
#include "parallel-task-private.h"
#include "parallel-worker-pool.h"

/**
 * ParallelWorkerTask:
 *
 * Worker processes that do one step after the other.
 *
 * Where a [class@CommandTask] starts a program for each step, a worker is started once and asked again and again, which costs
 * some microseconds. It can do what a thread cannot: crash, be killed, or run a language that has no threads,
 * without harm to this program or to the other steps.
 *
 * A runner has as many workers as it has steps for, and no more than its
 * [property@BackgroundTaskRunner:max-parallel]. They are this program started again, or any other that uses
 * [class@Worker], or speaks the protocol of it, which has a [page of its own](worker-protocol.html). While they have
 * nothing to do they wait. When the run has no more steps they are told to leave: each does what it has to do at its end
 * ([property@WorkerTask:has-onexit]), and exits. The run ends after that.
 *
 * A worker that ends while it does a step fails that step with %PARALLEL_RUN_ERROR_UNEXPECTED_EXIT; another one takes
 * its place, and no other step notices. A step that is cancelled, or over a limit, is stopped with its worker. If the
 * workers cannot even start, three times in five seconds, or in a row where none works, or one not within its
 * [property@WorkerTask:start-timeout], the steps fail with %PARALLEL_RUN_ERROR_POOL_BROKEN and what the last of them said.
 *
 * What a step prints, to its standard output or its standard error, and what the programs print that it has started, is one
 * stream: the step's standard output, in the order in which it was written.
 *
 * As long as the steps are short, under half a millisecond, some wait in front of each worker. They are still
 * [enum@StepState] pending, and another worker gets them if theirs takes longer than expected.
 *
 * ## Threads
 *
 * It is set up before it is used. The workers are started by the library's own thread and die with this program.
 */

enum
{
  PROP_ARGV = 1,
  PROP_SERVER,
  PROP_ENVIRON,
  PROP_CWD,
  PROP_LAUNCHER,
  PROP_ENCODING,
  PROP_SETUP,
  PROP_HAS_ONEXIT,
  PROP_MAX_STEPS_PER_WORKER,
  PROP_FRAME_LIMIT,
  PROP_START_TIMEOUT,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

#define DEFAULT_FRAME_LIMIT   (1u << 30)
#define DEFAULT_START_TIMEOUT 300.0

G_DEFINE_FINAL_TYPE (ParallelWorkerTask, parallel_worker_task, PARALLEL_TYPE_TASK)

/* ---- what travels ---- */

/* To or from the order of bytes in which values travel. */
static GVariant *
reorder (GVariant *value)
{
  return G_BYTE_ORDER == G_BIG_ENDIAN ? g_variant_byteswap (value) : g_variant_ref (value);
}

GBytes *
parallel_worker_task_serialise (GVariant *value)
{
  g_autoptr (GVariant) boxed = g_variant_ref_sink (g_variant_new_variant (value));
  g_autoptr (GVariant) ordered = reorder (boxed);

  return g_variant_get_data_as_bytes (ordered);
}

static GVariant *
deserialise (GBytes *bytes)
{
  g_autoptr (GVariant) boxed = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARIANT, bytes, FALSE));
  g_autoptr (GVariant) ordered = reorder (boxed);

  return g_variant_get_variant (ordered);
}

static GVariant *
get_variant (const GValue *input)
{
  return input != NULL && G_VALUE_HOLDS_VARIANT (input) ? g_value_get_variant (input) : NULL;
}

static GBytes *
get_bytes (const GValue *input)
{
  return input != NULL && G_VALUE_HOLDS (input, G_TYPE_BYTES) ? g_value_get_boxed (input) : NULL;
}

GBytes *
parallel_worker_task_encode (ParallelWorkerTask *self,
                             ParallelStep       *step)
{
  const GValue *input = parallel_step_get_input (step);
  GVariant *variant = get_variant (input);

  if (self->codec != NULL)
    return self->codec->encode (step);
  if (self->encoding == PARALLEL_ENCODING_BYTES)
    {
      GBytes *bytes = get_bytes (input);

      return bytes != NULL ? g_bytes_ref (bytes) : g_bytes_new (NULL, 0);
    }

  return parallel_worker_task_serialise (variant != NULL ? variant : g_variant_new_tuple (NULL, 0));
}

static GBytes *
slice (GBytes       *payload,
       const guint8 *data,
       gsize         size)
{
  const guint8 *start = g_bytes_get_data (payload, NULL);

  return g_bytes_new_from_bytes (payload, data - start, size);
}

static GError *
restore_error (const char *message,
               GBytes     *details)
{
  g_autoptr (GVariant) value = deserialise (details);
  const char *domain;
  const char *text;
  int code;

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE ("(sis)")))
    return g_error_new_literal (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED, message);

  g_variant_get (value, "(&si&s)", &domain, &code, &text);
  return g_error_new_literal (g_quark_from_string (domain), code, text);
}

static void
set_result (ParallelWorkerTask *self,
            ParallelStep       *step,
            GBytes             *bytes)
{
  g_auto (GValue) value = G_VALUE_INIT;

  if (self->encoding == PARALLEL_ENCODING_BYTES)
    {
      g_value_init (&value, G_TYPE_BYTES);
      g_value_set_boxed (&value, bytes);
    }
  else
    {
      g_value_init (&value, G_TYPE_VARIANT);
      g_value_take_variant (&value, deserialise (bytes));
    }
  parallel_step_set_result (step, &value);
}

GError *
parallel_worker_task_decode (ParallelWorkerTask    *self,
                             ParallelStep          *step,
                             GBytes                *payload,
                             const ParallelOutcome *outcome)
{
  g_autoptr (GBytes) bytes = slice (payload, outcome->data, outcome->size);
  g_autofree char *message = NULL;

  if (outcome->kind == PARALLEL_OUTCOME_DONE && self->codec != NULL)
    {
      g_autoptr (GVariant) value = deserialise (bytes);

      return self->codec->decode (step, value);
    }
  if (outcome->kind == PARALLEL_OUTCOME_DONE)
    {
      set_result (self, step, bytes);
      return NULL;
    }

  message = g_utf8_make_valid ((const char *) outcome->message, outcome->message_size);
  if (self->encoding == PARALLEL_ENCODING_VARIANT)
    return restore_error (message, bytes);

  parallel_step_set_failure_details (step, bytes);
  return g_error_new_literal (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED, message);
}

gboolean
parallel_worker_task_has_pieces (ParallelWorkerTask *self)
{
  return self->codec != NULL && self->codec->pieces;
}

static gboolean
parallel_worker_task_check (ParallelTask  *task,
                            const GValue  *input,
                            GError       **error)
{
  ParallelWorkerTask *self = PARALLEL_WORKER_TASK (task);
  gsize size = 0;
  gsize limit = self->frame_limit - PARALLEL_FRAME_REQUEST_HEAD - 1;

  if (input == NULL)
    return TRUE;

  if (self->encoding == PARALLEL_ENCODING_BYTES ? get_bytes (input) == NULL : get_variant (input) == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "The input of a worker step must be a %s, not a %s (see the task’s encoding)",
                   self->encoding == PARALLEL_ENCODING_BYTES ? "GBytes" : "GVariant", G_VALUE_TYPE_NAME (input));
      return FALSE;
    }

  if (self->encoding == PARALLEL_ENCODING_BYTES)
    size = g_bytes_get_size (get_bytes (input));
  else
    size = g_variant_get_size (get_variant (input)) + 1 + strlen (g_variant_get_type_string (get_variant (input)));
  if (size <= limit)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
               "The input has %" G_GSIZE_FORMAT " bytes, and a worker takes no more than the task’s frame limit, %u",
               size, self->frame_limit);
  return FALSE;
}

static char *
parallel_worker_task_describe (ParallelTask *task,
                               ParallelStep *step)
{
  ParallelWhereabouts where = parallel_step_get_whereabouts (step);

  g_free (where.mark);
  return where.pid != 0 ? g_strdup_printf ("worker pid %d", where.pid) : NULL;
}

/* ---- the object ---- */

static void
parallel_worker_task_finalize (GObject *object)
{
  ParallelWorkerTask *self = PARALLEL_WORKER_TASK (object);

  g_clear_pointer (&self->recipe.argv, g_strfreev);
  g_clear_pointer (&self->recipe.env, g_strfreev);
  g_clear_pointer (&self->recipe.cwd, g_free);
  g_clear_object (&self->recipe.server);
  g_clear_object (&self->recipe.launcher);
  g_clear_pointer (&self->setup, g_bytes_unref);

  G_OBJECT_CLASS (parallel_worker_task_parent_class)->finalize (object);
}

static void
parallel_worker_task_get_property (GObject    *object,
                                   guint       prop_id,
                                   GValue     *value,
                                   GParamSpec *pspec)
{
  ParallelWorkerTask *self = PARALLEL_WORKER_TASK (object);

  switch (prop_id)
    {
    case PROP_ARGV:
      g_value_set_boxed (value, self->recipe.argv);
      break;
    case PROP_SERVER:
      g_value_set_object (value, self->recipe.server);
      break;
    case PROP_ENVIRON:
      g_value_set_boxed (value, self->recipe.env);
      break;
    case PROP_CWD:
      g_value_set_string (value, self->recipe.cwd);
      break;
    case PROP_LAUNCHER:
      g_value_set_object (value, self->recipe.launcher);
      break;
    case PROP_ENCODING:
      g_value_set_enum (value, self->encoding);
      break;
    case PROP_SETUP:
      g_value_set_boxed (value, self->setup);
      break;
    case PROP_HAS_ONEXIT:
      g_value_set_boolean (value, self->has_onexit);
      break;
    case PROP_MAX_STEPS_PER_WORKER:
      g_value_set_uint (value, self->max_steps_per_worker);
      break;
    case PROP_FRAME_LIMIT:
      g_value_set_uint (value, self->frame_limit);
      break;
    case PROP_START_TIMEOUT:
      g_value_set_double (value, self->start_timeout);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
parallel_worker_task_set_property (GObject      *object,
                                   guint         prop_id,
                                   const GValue *value,
                                   GParamSpec   *pspec)
{
  ParallelWorkerTask *self = PARALLEL_WORKER_TASK (object);

  switch (prop_id)
    {
    case PROP_ARGV:
      self->recipe.argv = g_value_dup_boxed (value);
      break;
    case PROP_SERVER:
      self->recipe.server = g_value_dup_object (value);
      break;
    case PROP_ENVIRON:
      parallel_worker_task_set_environ (self, g_value_get_boxed (value));
      break;
    case PROP_CWD:
      parallel_worker_task_set_cwd (self, g_value_get_string (value));
      break;
    case PROP_LAUNCHER:
      parallel_worker_task_set_launcher (self, g_value_get_object (value));
      break;
    case PROP_ENCODING:
      parallel_worker_task_set_encoding (self, g_value_get_enum (value));
      break;
    case PROP_SETUP:
      parallel_worker_task_set_setup (self, g_value_get_boxed (value));
      break;
    case PROP_HAS_ONEXIT:
      parallel_worker_task_set_has_onexit (self, g_value_get_boolean (value));
      break;
    case PROP_MAX_STEPS_PER_WORKER:
      parallel_worker_task_set_max_steps_per_worker (self, g_value_get_uint (value));
      break;
    case PROP_FRAME_LIMIT:
      parallel_worker_task_set_frame_limit (self, g_value_get_uint (value));
      break;
    case PROP_START_TIMEOUT:
      parallel_worker_task_set_start_timeout (self, g_value_get_double (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static char *
parallel_worker_task_dup_state (ParallelTask *task)
{
  ParallelWorkerTask *self = PARALLEL_WORKER_TASK (task);

  return self->recipe.launcher != NULL ? parallel_launcher_dup_status (self->recipe.launcher) : NULL;
}

static const ParallelTaskFuncs funcs =
{
  .place = PARALLEL_TASK_PLACE_ENGINE,
  .start = parallel_worker_pool_hand,
  .stop = parallel_worker_pool_stop_step,
  .describe = parallel_worker_task_describe,
  .dup_state = parallel_worker_task_dup_state,
  .check = parallel_worker_task_check,
  .wake = parallel_worker_pool_wake,
  .recall = parallel_worker_pool_recall,
  .close = parallel_worker_pool_close,
};

static void
parallel_worker_task_class_init (ParallelWorkerTaskClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags fixed = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;
  const GParamFlags plain = G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;

  object_class->finalize = parallel_worker_task_finalize;
  object_class->get_property = parallel_worker_task_get_property;
  object_class->set_property = parallel_worker_task_set_property;
  PARALLEL_TASK_CLASS (klass)->funcs = &funcs;

  /**
   * ParallelWorkerTask:argv: (getter get_argv)
   *
   * The program of the workers and its arguments; %NULL where a server makes them.
   */
  properties[PROP_ARGV] = g_param_spec_boxed ("argv", NULL, NULL, G_TYPE_STRV, fixed);

  /**
   * ParallelWorkerTask:server: (getter get_server)
   *
   * What makes the workers, if they are not programs.
   */
  properties[PROP_SERVER] = g_param_spec_object ("server", NULL, NULL, PARALLEL_TYPE_WORKER_SERVER, fixed);

  /**
   * ParallelWorkerTask:environ: (getter get_environ) (setter set_environ)
   *
   * The environment of the workers as a list of `NAME=value`, or %NULL for the one of this program. The variable
   * `PARALLEL_GLIB_WORKER` is added. Of no meaning where a server makes them.
   */
  properties[PROP_ENVIRON] = g_param_spec_boxed ("environ", NULL, NULL, G_TYPE_STRV, plain);

  /**
   * ParallelWorkerTask:cwd: (getter get_cwd) (setter set_cwd)
   *
   * The working directory of the workers, or %NULL for the one of this program. Of no meaning where a server makes
   * them.
   */
  properties[PROP_CWD] = g_param_spec_string ("cwd", NULL, NULL, NULL, plain);

  /**
   * ParallelWorkerTask:launcher: (getter get_launcher) (setter set_launcher)
   *
   * How the workers are started somewhere else, or %NULL for this machine. It is set before the first step. Of no meaning where
   * a server makes them.
   */
  properties[PROP_LAUNCHER] = g_param_spec_object ("launcher", NULL, NULL, PARALLEL_TYPE_LAUNCHER, plain);

  /**
   * ParallelWorkerTask:encoding: (getter get_encoding) (setter set_encoding)
   *
   * What the steps take and give.
   */
  properties[PROP_ENCODING] = g_param_spec_enum ("encoding", NULL, NULL, PARALLEL_TYPE_ENCODING,
                                                 PARALLEL_ENCODING_VARIANT, plain);

  /**
   * ParallelWorkerTask:setup: (getter get_setup) (setter set_setup)
   *
   * What each worker is given before its first step, or %NULL for nothing. A worker whose setup fails counts as one
   * that could not start.
   */
  properties[PROP_SETUP] = g_param_spec_boxed ("setup", NULL, NULL, G_TYPE_BYTES, plain);

  /**
   * ParallelWorkerTask:has-onexit: (getter get_has_onexit) (setter set_has_onexit)
   *
   * Whether the workers do something at their end. It is then a step of its own for each worker that has done a step, with
   * the name "onexit", its output, and the run's exit timeout.
   */
  properties[PROP_HAS_ONEXIT] = g_param_spec_boolean ("has-onexit", NULL, NULL, FALSE, plain);

  /**
   * ParallelWorkerTask:max-steps-per-worker: (getter get_max_steps_per_worker) (setter set_max_steps_per_worker)
   *
   * After how many steps a worker is told to leave and another one takes its place; 0 for never.
   */
  properties[PROP_MAX_STEPS_PER_WORKER] = g_param_spec_uint ("max-steps-per-worker", NULL, NULL, 0, G_MAXUINT, 0, plain);

  /**
   * ParallelWorkerTask:frame-limit: (getter get_frame_limit) (setter set_frame_limit)
   *
   * How many bytes an input or a result may have at most, together with some bytes around it. 1 GiB if nothing else
   * is set.
   */
  properties[PROP_FRAME_LIMIT] = g_param_spec_uint ("frame-limit", NULL, NULL, PARALLEL_WORKER_TASK_MIN_FRAME, G_MAXUINT,
                                                    DEFAULT_FRAME_LIMIT, plain);

  /**
   * ParallelWorkerTask:start-timeout: (getter get_start_timeout) (setter set_start_timeout)
   *
   * How long a worker may take from its start until it is ready and its setup is done, in seconds; 0 for as long as it wants.
   * One that takes longer is killed and counts as one that could not start. If no other works, the steps fail at once,
   * with %PARALLEL_RUN_ERROR_POOL_BROKEN. The limits of a step count from its beginning, when a worker is there for it.
   */
  properties[PROP_START_TIMEOUT] = g_param_spec_double ("start-timeout", NULL, NULL, 0, G_MAXDOUBLE,
                                                        DEFAULT_START_TIMEOUT, plain);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
parallel_worker_task_init (ParallelWorkerTask *self)
{
  self->frame_limit = DEFAULT_FRAME_LIMIT;
  self->start_timeout = DEFAULT_START_TIMEOUT;
}

/**
 * parallel_worker_task_new:
 * @argv: (array zero-terminated=1) (element-type filename): a program and its arguments
 *
 * Makes a task whose workers are a program: one that calls [method@Worker.run], or speaks the worker protocol in another
 * way. It is looked for in `PATH` if its name has no slash.
 *
 * Returns: (transfer full): the task
 */
ParallelTask *
parallel_worker_task_new (const char * const *argv)
{
  g_return_val_if_fail (argv != NULL && argv[0] != NULL, NULL);

  return g_object_new (PARALLEL_TYPE_WORKER_TASK, "argv", argv, NULL);
}

/**
 * parallel_worker_task_new_for_server:
 * @server: a server
 *
 * Makes a task whose workers are made by a server.
 *
 * Returns: (transfer full): the task
 */
ParallelTask *
parallel_worker_task_new_for_server (ParallelWorkerServer *server)
{
  g_return_val_if_fail (PARALLEL_IS_WORKER_SERVER (server), NULL);

  return g_object_new (PARALLEL_TYPE_WORKER_TASK, "server", server, NULL);
}

const ParallelWorkerRecipe *
parallel_worker_task_get_recipe (ParallelWorkerTask *self)
{
  return &self->recipe;
}
