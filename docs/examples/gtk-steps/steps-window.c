/* steps-window.c: the window: runners, and the list of their steps.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "steps-window.h"

#include "make-steps.h"
#include "step-output.h"
#include "step-row.h"

/* How long changes of the counters are collected before they are shown, in milliseconds. */
#define SUMMARY_DELAY 100

struct _StepsWindow
{
  GtkApplicationWindow          parent_instance;

  GtkMenuButton                *add_button;
  GtkPopover                   *add_popover;
  GtkListView                  *list_view;
  GtkLabel                     *summary_label;
  StepOutput                   *step_output;
  GtkSingleSelection           *selection;

  /* What was halted takes no more steps, so the next ones get a new runner. The list has those of
   * all. */
  GListStore                   *runners;
  ParallelBackgroundTaskRunner *runner;         /* the one that takes steps, or NULL; borrowed */
  guint                         max_parallel;   /* 0 for the default */
  guint                         n_put;
  GHashTable                   *retried;        /* of ParallelStep */

  guint                         summary;        /* a source, while it is to be brought up to date */
  guint                         n_awaited;      /* runners that end before the window does */
  gboolean                      closing;
};

typedef struct
{
  guint   n_pending;
  guint   n_running;
  guint64 n_succeeded;
  guint64 n_failed;
  guint64 n_halted;
} Counts;

G_DEFINE_FINAL_TYPE (StepsWindow, steps_window, GTK_TYPE_APPLICATION_WINDOW)

/* ---- the summary ---- */

static ParallelBackgroundTaskRunner *
dup_runner (StepsWindow *self,
            guint        i)
{
  return g_list_model_get_item (G_LIST_MODEL (self->runners), i);
}

static guint
get_n_runners (StepsWindow *self)
{
  return g_list_model_get_n_items (G_LIST_MODEL (self->runners));
}

/* The steps go on meanwhile. In this order one that comes from one state into the next is counted
 * twice, rather than taken for a halted one. */
static Counts
count (StepsWindow *self)
{
  Counts counts = { 0 };
  guint64 sum;

  for (guint i = 0; i < get_n_runners (self); i++)
    {
      g_autoptr (ParallelBackgroundTaskRunner) runner = dup_runner (self, i);

      counts.n_pending += parallel_background_task_runner_get_n_pending (runner);
      counts.n_running += parallel_background_task_runner_get_n_running (runner);
      counts.n_succeeded += parallel_background_task_runner_get_n_succeeded (runner);
      counts.n_failed += parallel_background_task_runner_get_n_failed (runner);
    }

  sum = counts.n_pending + counts.n_running + counts.n_succeeded + counts.n_failed;
  counts.n_halted = self->n_put > sum ? self->n_put - sum : 0;
  return counts;
}

static GSimpleAction *
get_action (StepsWindow *self,
            const char  *name)
{
  GtkApplication *app = gtk_window_get_application (GTK_WINDOW (self));

  return G_SIMPLE_ACTION (g_action_map_lookup_action (G_ACTION_MAP (app), name));
}

static void
show_summary (StepsWindow *self)
{
  Counts counts = count (self);
  g_autofree char *text =
    g_strdup_printf ("%u running, %u waiting, %" G_GUINT64_FORMAT " succeeded, "
                     "%" G_GUINT64_FORMAT " failed, %" G_GUINT64_FORMAT " halted",
                     counts.n_running, counts.n_pending, counts.n_succeeded, counts.n_failed,
                     counts.n_halted);

  gtk_label_set_label (self->summary_label, text);
  g_simple_action_set_state (get_action (self, "summary"), g_variant_new_string (text));
  g_simple_action_set_enabled (get_action (self, "halt"),
                               counts.n_pending + counts.n_running > 0);
  g_simple_action_set_enabled (get_action (self, "retry"), counts.n_failed + counts.n_halted >
                                                           g_hash_table_size (self->retried));
}

static gboolean
summary_cb (gpointer user_data)
{
  StepsWindow *self = STEPS_WINDOW (user_data);

  self->summary = 0;
  show_summary (self);

  return G_SOURCE_REMOVE;
}

static void
queue_summary (StepsWindow *self)
{
  if (self->summary == 0 && !self->closing)
    self->summary = g_timeout_add (SUMMARY_DELAY, summary_cb, self);
}

/* ---- the list ---- */

static void
setup_cb (GtkSignalListItemFactory *factory,
          GtkListItem              *list_item)
{
  gtk_list_item_set_child (list_item, step_row_new ());
}

static void
bind_cb (GtkSignalListItemFactory *factory,
         GtkListItem              *list_item)
{
  step_row_set_step (STEP_ROW (gtk_list_item_get_child (list_item)),
                     gtk_list_item_get_item (list_item));
}

static void
unbind_cb (GtkSignalListItemFactory *factory,
           GtkListItem              *list_item)
{
  step_row_set_step (STEP_ROW (gtk_list_item_get_child (list_item)), NULL);
}

static void
selected_cb (StepsWindow *self)
{
  step_output_set_step (self->step_output,
                        gtk_single_selection_get_selected_item (self->selection));
}

static void
set_up_list (StepsWindow *self)
{
  GtkListItemFactory *factory = gtk_signal_list_item_factory_new ();
  GtkFlattenListModel *steps;

  g_signal_connect (factory, "setup", G_CALLBACK (setup_cb), NULL);
  g_signal_connect (factory, "bind", G_CALLBACK (bind_cb), NULL);
  g_signal_connect (factory, "unbind", G_CALLBACK (unbind_cb), NULL);
  gtk_list_view_set_factory (self->list_view, factory);
  g_object_unref (factory);

  self->runners = g_list_store_new (PARALLEL_TYPE_BACKGROUND_TASK_RUNNER);
  steps = gtk_flatten_list_model_new (g_object_ref (G_LIST_MODEL (self->runners)));
  self->selection = gtk_single_selection_new (G_LIST_MODEL (steps));
  g_signal_connect_object (self->selection, "notify::selected-item", G_CALLBACK (selected_cb), self,
                           G_CONNECT_SWAPPED);
  gtk_list_view_set_model (self->list_view, GTK_SELECTION_MODEL (self->selection));
}

/* ---- runners ---- */

static void
start_runner (StepsWindow *self)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = parallel_background_task_runner_new (NULL);

  parallel_background_task_runner_set_keep_steps (runner, PARALLEL_KEEP_STEPS_ALL);
  parallel_background_task_runner_set_output_mode (runner, PARALLEL_OUTPUT_MODE_NONE);
  if (self->max_parallel > 0)
    parallel_background_task_runner_set_max_parallel (runner, self->max_parallel);
  g_signal_connect_object (runner, "notify", G_CALLBACK (queue_summary), self, G_CONNECT_SWAPPED);
  g_list_store_append (self->runners, runner);
  self->runner = runner;
}

void
steps_window_set_max_parallel (StepsWindow *self,
                               guint        max_parallel)
{
  self->max_parallel = max_parallel;
  if (self->runner != NULL)
    parallel_background_task_runner_set_max_parallel (self->runner, max_parallel);
}

void
steps_window_put (StepsWindow  *self,
                  ParallelStep *step)
{
  g_autoptr (GError) error = NULL;

  if (self->closing)
    return;

  if (self->runner == NULL)
    start_runner (self);
  if (parallel_background_task_runner_put_step (self->runner, step, &error))
    self->n_put++;
  else
    g_warning ("%s", error->message);
  queue_summary (self);
}

void
steps_window_halt (StepsWindow *self)
{
  if (self->runner == NULL)
    return;

  parallel_background_task_runner_halt (self->runner, PARALLEL_HALT_NOW);
  self->runner = NULL;
}

static gboolean
is_to_be_retried (StepsWindow  *self,
                  ParallelStep *step)
{
  switch (parallel_step_get_state (step))
    {
    case PARALLEL_STEP_STATE_FAILED:
    case PARALLEL_STEP_STATE_HALTED:
    case PARALLEL_STEP_STATE_SKIPPED:
      return g_hash_table_add (self->retried, g_object_ref (step));

    case PARALLEL_STEP_STATE_PENDING:
    case PARALLEL_STEP_STATE_RUNNING:
    case PARALLEL_STEP_STATE_SUCCEEDED:
    default:
      return FALSE;
    }
}

void
steps_window_retry (StepsWindow *self)
{
  guint n_runners = get_n_runners (self);

  for (guint i = 0; i < n_runners; i++)
    {
      g_autoptr (ParallelBackgroundTaskRunner) runner = dup_runner (self, i);
      g_autoptr (GPtrArray) steps = parallel_background_task_runner_dup_steps (runner);

      for (guint j = 0; j < steps->len; j++)
        {
          ParallelStep *step = g_ptr_array_index (steps, j);

          if (is_to_be_retried (self, step))
            {
              g_autoptr (ParallelStep) again = make_step_again (step);

              steps_window_put (self, again);
            }
        }
    }
}

void
steps_window_select (StepsWindow *self,
                     guint        position)
{
  gtk_single_selection_set_selected (self->selection, position);
  gtk_widget_activate_action (GTK_WIDGET (self->list_view), "list.scroll-to-item", "u", position);
}

/* ---- the window ---- */

static void
ended_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (StepsWindow) self = user_data;

  /* What it says is that the run was halted. */
  parallel_background_task_runner_wait_finish (PARALLEL_BACKGROUND_TASK_RUNNER (object), result,
                                               NULL);
  if (--self->n_awaited == 0)
    gtk_window_destroy (GTK_WINDOW (self));
}

/* The window vanishes at once, and the program stays until its steps have ended. */
static gboolean
steps_window_close_request (GtkWindow *window)
{
  StepsWindow *self = STEPS_WINDOW (window);

  self->closing = TRUE;
  g_clear_handle_id (&self->summary, g_source_remove);
  gtk_widget_set_visible (GTK_WIDGET (self), FALSE);

  for (guint i = 0; i < get_n_runners (self); i++)
    {
      g_autoptr (ParallelBackgroundTaskRunner) runner = dup_runner (self, i);

      self->n_awaited++;
      parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
      parallel_background_task_runner_wait_async (runner, NULL, ended_cb, g_object_ref (self));
    }

  return self->n_awaited > 0;
}

static void
command_cb (GtkEntry    *entry,
            StepsWindow *self)
{
  gtk_popover_popdown (self->add_popover);
  g_action_activate (G_ACTION (get_action (self, "add")),
                     g_variant_new_string (gtk_editable_get_text (GTK_EDITABLE (entry))));
  gtk_editable_set_text (GTK_EDITABLE (entry), "");
}

static void
ask_cb (GtkWidget  *widget,
        const char *name,
        GVariant   *parameter)
{
  gtk_menu_button_popup (STEPS_WINDOW (widget)->add_button);
}

static void
steps_window_dispose (GObject *object)
{
  StepsWindow *self = STEPS_WINDOW (object);

  g_clear_handle_id (&self->summary, g_source_remove);
  g_clear_object (&self->selection);
  g_clear_object (&self->runners);
  g_clear_pointer (&self->retried, g_hash_table_unref);

  G_OBJECT_CLASS (steps_window_parent_class)->dispose (object);
}

static void
steps_window_class_init (StepsWindowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = steps_window_dispose;
  GTK_WINDOW_CLASS (klass)->close_request = steps_window_close_request;
  g_type_ensure (STEP_TYPE_OUTPUT);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/example/GtkSteps/window.ui");
  gtk_widget_class_bind_template_child (widget_class, StepsWindow, add_button);
  gtk_widget_class_bind_template_child (widget_class, StepsWindow, add_popover);
  gtk_widget_class_bind_template_child (widget_class, StepsWindow, list_view);
  gtk_widget_class_bind_template_child (widget_class, StepsWindow, summary_label);
  gtk_widget_class_bind_template_child (widget_class, StepsWindow, step_output);
  gtk_widget_class_bind_template_callback (widget_class, command_cb);
  gtk_widget_class_install_action (widget_class, "win.ask", NULL, ask_cb);
}

static void
steps_window_init (StepsWindow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  self->retried = g_hash_table_new_full (NULL, NULL, g_object_unref, NULL);
  set_up_list (self);
}

StepsWindow *
steps_window_new (GtkApplication *app)
{
  StepsWindow *self = g_object_new (STEPS_TYPE_WINDOW, "application", app, NULL);

  show_summary (self);

  return self;
}
