/* parallel-remote-command.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-remote-command.h"

#include <string.h>

#include "parallel-command-task-private.h"
#include "parallel-run-error.h"
#include "parallel-step-private.h"

/* ---- here ---- */

GVariant *
parallel_remote_dup_command (ParallelCommandTask  *task,
                             ParallelStep         *step)
{
  g_auto (GStrv) argv = parallel_command_task_dup_argv (task, step);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "argv", "^aay", argv);
  if (task->env != NULL)
    g_variant_dict_insert (&dict, "environ", "^aay", task->env);
  if (task->cwd != NULL)
    g_variant_dict_insert (&dict, "cwd", "^ay", task->cwd);
  if (task->stdin_bytes != NULL)
    g_variant_dict_insert_value (&dict, "stdin", g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, task->stdin_bytes,
                                                                          TRUE));
  if (task->stdin_path != NULL)
    g_variant_dict_insert (&dict, "stdin-path", "^ay", task->stdin_path);
  g_variant_dict_insert (&dict, "merge-stderr", "b", task->merge_stderr);
  g_variant_dict_insert (&dict, "measure-usage", "b", task->measure_usage);
  g_variant_dict_insert (&dict, "tree", "b", task->containment == PARALLEL_CONTAINMENT_TREE);

  return g_variant_dict_end (&dict);
}

GError *
parallel_remote_take_end (ParallelStep *step,
                          GVariant     *end)
{
  g_autoptr (GVariant) dict = g_variant_is_of_type (end, G_VARIANT_TYPE_VARDICT)
                              ? g_variant_ref (end) : g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
  int exit_status = -1;
  int term_signal = 0;
  double user_time;
  double system_time;
  gint64 max_rss;
  const char *domain;
  const char *message;
  int code;

  g_variant_lookup (dict, "exit-status", "i", &exit_status);
  g_variant_lookup (dict, "term-signal", "i", &term_signal);
  parallel_step_set_exit (step, exit_status, term_signal);
  if (g_variant_lookup (dict, "usage", "(ddx)", &user_time, &system_time, &max_rss))
    parallel_step_set_usage (step, user_time, system_time, max_rss);

  if (g_variant_lookup (dict, "error", "(&si&s)", &domain, &code, &message))
    return g_error_new_literal (g_quark_from_string (domain), code, message);
  if (exit_status == 0)
    return NULL;
  return g_error_new_literal (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                              "parallel-glib-agent has not said how the program ended");
}

static gsize
take_head (ParallelPieces *self,
           const guint8   *data,
           gsize           size)
{
  gsize n = MIN (size, PARALLEL_REMOTE_PIECE_HEAD - self->n_head);
  guint32 length;

  memcpy (self->head + self->n_head, data, n);
  self->n_head += n;
  if (self->n_head == PARALLEL_REMOTE_PIECE_HEAD)
    {
      memcpy (&length, self->head + 1, sizeof length);
      self->n_left = GUINT32_FROM_LE (length);
    }

  return n;
}

void
parallel_pieces_feed (ParallelPieces    *self,
                      const guint8      *data,
                      gsize              size,
                      ParallelPieceFunc  func,
                      gpointer           user_data)
{
  while (size > 0)
    {
      gsize n;

      if (self->n_head < PARALLEL_REMOTE_PIECE_HEAD)
        n = take_head (self, data, size);
      else
        {
          n = MIN (size, self->n_left);
          func (user_data, self->head[0] == PARALLEL_OUTPUT_STREAM_STDERR ? PARALLEL_OUTPUT_STREAM_STDERR
                                                                         : PARALLEL_OUTPUT_STREAM_STDOUT, data, n);
          self->n_left -= n;
        }
      if (self->n_head == PARALLEL_REMOTE_PIECE_HEAD && self->n_left == 0)
        self->n_head = 0;
      data += n;
      size -= n;
    }
}

/* ---- there ---- */

static void
parse_stdin (GVariant            *command,
             ParallelCommandTask *task)
{
  g_autoptr (GVariant) input = g_variant_lookup_value (command, "stdin", G_VARIANT_TYPE_BYTESTRING);
  g_autofree char *path = NULL;

  if (input != NULL)
    {
      g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (input);

      parallel_command_task_set_stdin_bytes (task, bytes);
    }
  if (g_variant_lookup (command, "stdin-path", "^ay", &path))
    parallel_command_task_set_stdin_path (task, path);
}

ParallelTask *
parallel_remote_parse_command (GVariant  *command,
                               GError   **error)
{
  g_autoptr (ParallelTask) task = NULL;
  g_auto (GStrv) argv = NULL;
  g_auto (GStrv) env = NULL;
  g_autofree char *cwd = NULL;
  gboolean merge = FALSE;
  gboolean usage = FALSE;
  gboolean tree = FALSE;

  if (!g_variant_is_of_type (command, G_VARIANT_TYPE_VARDICT) || !g_variant_lookup (command, "argv", "^aay", &argv) ||
      argv[0] == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "What came is no command of parallel-glib");
      return NULL;
    }

  task = parallel_command_task_new ((const char * const *) argv);
  PARALLEL_COMMAND_TASK (task)->literal = TRUE;
  if (g_variant_lookup (command, "environ", "^aay", &env))
    parallel_command_task_set_environ (PARALLEL_COMMAND_TASK (task), (const char * const *) env);
  if (g_variant_lookup (command, "cwd", "^ay", &cwd))
    parallel_command_task_set_cwd (PARALLEL_COMMAND_TASK (task), cwd);
  parse_stdin (command, PARALLEL_COMMAND_TASK (task));
  g_variant_lookup (command, "merge-stderr", "b", &merge);
  g_variant_lookup (command, "measure-usage", "b", &usage);
  g_variant_lookup (command, "tree", "b", &tree);
  parallel_command_task_set_merge_stderr (PARALLEL_COMMAND_TASK (task), merge);
  parallel_command_task_set_measure_usage (PARALLEL_COMMAND_TASK (task), usage);
  parallel_command_task_set_containment (PARALLEL_COMMAND_TASK (task),
                                         tree ? PARALLEL_CONTAINMENT_TREE : PARALLEL_CONTAINMENT_GROUP);

  return g_steal_pointer (&task);
}

GVariant *
parallel_remote_describe_end (ParallelStep *step)
{
  g_autoptr (GError) error = parallel_step_dup_error (step);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "exit-status", "i", parallel_step_get_exit_status (step));
  g_variant_dict_insert (&dict, "term-signal", "i", parallel_step_get_term_signal (step));
  if (parallel_step_get_user_time (step) >= 0)
    g_variant_dict_insert (&dict, "usage", "(ddx)", parallel_step_get_user_time (step),
                           parallel_step_get_system_time (step), parallel_step_get_max_rss (step));
  if (error != NULL)
    g_variant_dict_insert (&dict, "error", "(sis)", g_quark_to_string (error->domain), error->code, error->message);

  return g_variant_dict_end (&dict);
}

void
parallel_remote_put_piece (guint8               *head,
                           ParallelOutputStream  stream,
                           gsize                 size)
{
  guint32 length = GUINT32_TO_LE ((guint32) size);

  head[0] = stream;
  memcpy (head + 1, &length, sizeof length);
}
