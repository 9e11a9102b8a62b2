/* fetch-all.c URL...: fetches each URL, at most 4 at a time, by the asynchronous functions of GIO.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <parallel-glib/parallel.h>
#include <stdio.h>

/* A kind of task of our own: what it does is an operation with a callback, as GIO has them. */
#define FETCH_TYPE_TASK (fetch_task_get_type ())
G_DECLARE_FINAL_TYPE (FetchTask, fetch_task, FETCH, TASK, ParallelAsyncTask)

struct _FetchTask
{
  ParallelAsyncTask parent_instance;
};

G_DEFINE_FINAL_TYPE (FetchTask, fetch_task, PARALLEL_TYPE_ASYNC_TASK)

/* One request: the data of the GTask that is its operation. */
typedef struct
{
  ParallelStep      *step;
  char              *text;
  GSocketConnection *connection;
} Request;

static void
request_free (gpointer data)
{
  Request *request = data;

  g_object_unref (request->step);
  g_free (request->text);
  g_clear_object (&request->connection);
  g_free (request);
}

/* The result of the step: the status, and the length of the body. */
static gboolean
read_answer (ParallelStep  *step,
             const char    *answer,
             gsize          length,
             GError       **error)
{
  const char *end = length > 0 ? g_strstr_len (answer, length, "\r\n\r\n") : NULL;
  gsize status_at = strlen ("HTTP/1.x ");
  g_auto (GValue) result = G_VALUE_INIT;

  if (end == NULL || (gsize) (end - answer) < status_at + 3
      || !g_str_has_prefix (answer, "HTTP/1."))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "The answer is not HTTP");
      return FALSE;
    }

  g_value_init (&result, G_TYPE_STRING);
  g_value_take_string (&result, g_strdup_printf ("%.3s %zu", answer + status_at,
                                                 length - (end + 4 - answer)));
  parallel_step_set_result (step, &result);
  return TRUE;
}

static void
answered_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  GMemoryOutputStream *stream = G_MEMORY_OUTPUT_STREAM (source);
  g_autoptr (GTask) task = user_data;
  Request *request = g_task_get_task_data (task);
  GError *error = NULL;

  if (g_output_stream_splice_finish (G_OUTPUT_STREAM (stream), result, &error) < 0
      || !read_answer (request->step, g_memory_output_stream_get_data (stream),
                       g_memory_output_stream_get_data_size (stream), &error))
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
asked_cb (GObject      *source,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GCancellable *cancellable = g_task_get_cancellable (task);
  Request *request = g_task_get_task_data (task);
  GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (request->connection));
  g_autoptr (GOutputStream) answer = g_memory_output_stream_new_resizable ();
  GError *error = NULL;

  if (!g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  g_output_stream_splice_async (answer, input, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                G_PRIORITY_DEFAULT, cancellable,
                                answered_cb, g_steal_pointer (&task));
}

static void
connected_cb (GObject      *source,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GCancellable *cancellable = g_task_get_cancellable (task);
  Request *request = g_task_get_task_data (task);
  GSocketClient *client = G_SOCKET_CLIENT (source);
  GOutputStream *output;
  GError *error = NULL;

  request->connection = g_socket_client_connect_to_host_finish (client, result, &error);
  if (request->connection == NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  output = g_io_stream_get_output_stream (G_IO_STREAM (request->connection));
  g_output_stream_write_all_async (output, request->text, strlen (request->text),
                                   G_PRIORITY_DEFAULT, cancellable,
                                   asked_cb, g_steal_pointer (&task));
}

/* Normalized, so that it has a path and a port. */
static GUri *
parse_url (const char  *url,
           GError     **error)
{
  GUriFlags flags = G_URI_FLAGS_ENCODED | G_URI_FLAGS_SCHEME_NORMALIZE;
  g_autoptr (GUri) uri = g_uri_parse (url, flags, error);

  if (uri == NULL)
    return NULL;

  if (g_strcmp0 (g_uri_get_scheme (uri), "http") != 0 || g_uri_get_host (uri) == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "This is not an http URL");
      return NULL;
    }

  return g_steal_pointer (&uri);
}

static Request *
request_new (ParallelStep *step,
             GUri         *uri)
{
  Request *request = g_new0 (Request, 1);
  const char *query = g_uri_get_query (uri);

  request->step = g_object_ref (step);
  request->text = g_strdup_printf ("GET %s%s%s HTTP/1.0\r\nHost: %s:%d\r\n\r\n",
                                   g_uri_get_path (uri),
                                   query != NULL ? "?" : "", query != NULL ? query : "",
                                   g_uri_get_host (uri), g_uri_get_port (uri));
  return request;
}

/* A program that is more than an example has soup_session_send_and_read_async() here. */
static void
fetch_task_run_async (ParallelAsyncTask   *self,
                      ParallelStep        *step,
                      GCancellable        *cancellable,
                      GAsyncReadyCallback  callback,
                      gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  GError *error = NULL;
  g_autoptr (GUri) uri = parse_url (g_value_get_string (parallel_step_get_input (step)), &error);

  if (uri == NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  g_task_set_task_data (task, request_new (step, uri), request_free);
  g_socket_client_connect_to_host_async (client, g_uri_get_host (uri), g_uri_get_port (uri),
                                         cancellable, connected_cb, g_steal_pointer (&task));
}

static gboolean
fetch_task_run_finish (ParallelAsyncTask  *self,
                       GAsyncResult       *result,
                       GError            **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
fetch_task_class_init (FetchTaskClass *klass)
{
  ParallelAsyncTaskClass *async_class = PARALLEL_ASYNC_TASK_CLASS (klass);

  async_class->run_async = fetch_task_run_async;
  async_class->run_finish = fetch_task_run_finish;
}

static void
fetch_task_init (FetchTask *self)
{
}

static void
print_step (ParallelStep *step)
{
  g_autofree char *url = parallel_step_dup_input_text (step);
  g_autoptr (GError) error = parallel_step_dup_error (step);

  if (error == NULL)
    printf ("%s %s\n", g_value_get_string (parallel_step_get_result (step)), url);
  else
    fprintf (stderr, "%s: %s\n", url, error->message);
}

int
main (int    argc,
      char **argv)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner =
    parallel_background_task_runner_new (g_object_new (FETCH_TYPE_TASK, NULL));
  g_autoptr (GPtrArray) steps = NULL;
  g_autoptr (GError) error = NULL;

  if (argc < 2)
    {
      fprintf (stderr, "usage: fetch-all URL...\n");
      return 2;
    }

  parallel_background_task_runner_set_max_parallel (runner, 4);
  parallel_background_task_runner_set_keep_steps (runner, PARALLEL_KEEP_STEPS_ALL);
  for (int i = 1; i < argc; i++)
    parallel_background_task_runner_put_string (runner, argv[i], NULL);
  parallel_background_task_runner_close (runner);

  /* A program with a main loop has parallel_background_task_runner_wait_async(). */
  parallel_background_task_runner_wait (runner, NULL, &error);

  steps = parallel_background_task_runner_dup_steps (runner);
  for (guint i = 0; i < steps->len; i++)
    print_step (steps->pdata[i]);

  return error != NULL;
}
