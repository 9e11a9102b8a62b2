/* step-row.c: a row of the list. It is used for one step after another, as the list is scrolled.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "step-row.h"

/* How often the time of a step that runs is shown, in milliseconds. */
#define TICK 100

struct _StepRow
{
  GtkBox          parent_instance;

  GtkImage       *icon;
  GtkLabel       *name;
  GtkLabel       *last_line;
  GtkProgressBar *progress;
  GtkLabel       *state;
  GtkLabel       *elapsed;

  GSignalGroup   *signals;    /* those of the step that is shown */
  guint           tick;       /* a source, while the step runs */
};

/* By ParallelStepState. The icons are among those that GTK has in itself. */
static const struct
{
  const char *word;
  const char *css_class;
  const char *icon;
} states[] =
{
  { "Waiting", "pending", "document-open-recent-symbolic" },
  { "Running", "running", "media-playback-start-symbolic" },
  { "Succeeded", "succeeded", "object-select-symbolic" },
  { "Failed", "failed", "dialog-error-symbolic" },
  { "Halted", "halted", "media-playback-stop-symbolic" },
  { "Skipped", "skipped", "list-remove-symbolic" },
};

G_DEFINE_FINAL_TYPE (StepRow, step_row, GTK_TYPE_BOX)

static void
show_elapsed (StepRow      *self,
              ParallelStep *step)
{
  double seconds = parallel_step_get_elapsed (step);
  g_autofree char *text = NULL;

  if (parallel_step_get_attempt (step) == 0)
    text = g_strdup ("");
  else if (seconds < 60)
    text = g_strdup_printf ("%.*f s", seconds < 1 ? 2 : 1, seconds);
  else
    text = g_strdup_printf ("%d:%02d", (int) seconds / 60, (int) seconds % 60);
  gtk_label_set_label (self->elapsed, text);
}

/* A step that does not say how far it is has a bar that moves while it runs, and is full in the
 * end. */
static void
show_progress (StepRow      *self,
               ParallelStep *step)
{
  double progress = parallel_step_get_progress (step);
  ParallelStepState state = parallel_step_get_state (step);

  if (state == PARALLEL_STEP_STATE_RUNNING && progress < 0)
    gtk_progress_bar_pulse (self->progress);
  else if (state == PARALLEL_STEP_STATE_SUCCEEDED)
    gtk_progress_bar_set_fraction (self->progress, 1);
  else if (progress >= 0)
    gtk_progress_bar_set_fraction (self->progress, progress);
  else
    gtk_progress_bar_set_fraction (self->progress, parallel_step_get_attempt (step) > 0);
}

static gboolean
tick_cb (gpointer user_data)
{
  StepRow *self = STEP_ROW (user_data);
  g_autoptr (ParallelStep) step = g_signal_group_dup_target (self->signals);

  show_elapsed (self, step);
  if (parallel_step_get_progress (step) < 0)
    gtk_progress_bar_pulse (self->progress);

  return G_SOURCE_CONTINUE;
}

static void
progress_cb (StepRow      *self,
             GParamSpec   *pspec,
             ParallelStep *step)
{
  show_progress (self, step);
}

static void
last_line_cb (StepRow      *self,
              GParamSpec   *pspec,
              ParallelStep *step)
{
  g_autofree char *last_line = parallel_step_dup_last_line (step);

  gtk_label_set_label (self->last_line, last_line != NULL ? last_line : "");
  gtk_widget_set_visible (GTK_WIDGET (self->last_line), last_line != NULL);
}

static void
state_cb (StepRow      *self,
          GParamSpec   *pspec,
          ParallelStep *step)
{
  ParallelStepState state = parallel_step_get_state (step);
  const char *css_classes[] = { "step", states[state].css_class, NULL };

  gtk_label_set_label (self->state, states[state].word);
  gtk_image_set_from_icon_name (self->icon, states[state].icon);
  gtk_widget_set_css_classes (GTK_WIDGET (self), css_classes);
  show_progress (self, step);
  show_elapsed (self, step);

  g_clear_handle_id (&self->tick, g_source_remove);
  if (state == PARALLEL_STEP_STATE_RUNNING)
    self->tick = g_timeout_add (TICK, tick_cb, self);
}

static void
bind_cb (StepRow      *self,
         ParallelStep *step)
{
  g_autofree char *name = parallel_step_dup_name (step);

  gtk_label_set_label (self->name, name);
  last_line_cb (self, NULL, step);
  state_cb (self, NULL, step);
}

static void
step_row_dispose (GObject *object)
{
  StepRow *self = STEP_ROW (object);

  g_clear_handle_id (&self->tick, g_source_remove);
  g_clear_object (&self->signals);

  G_OBJECT_CLASS (step_row_parent_class)->dispose (object);
}

static void
step_row_class_init (StepRowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = step_row_dispose;
  gtk_widget_class_set_template_from_resource (widget_class, "/org/example/GtkSteps/step-row.ui");
  gtk_widget_class_bind_template_child (widget_class, StepRow, icon);
  gtk_widget_class_bind_template_child (widget_class, StepRow, name);
  gtk_widget_class_bind_template_child (widget_class, StepRow, last_line);
  gtk_widget_class_bind_template_child (widget_class, StepRow, progress);
  gtk_widget_class_bind_template_child (widget_class, StepRow, state);
  gtk_widget_class_bind_template_child (widget_class, StepRow, elapsed);
}

static void
step_row_init (StepRow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));

  self->signals = g_signal_group_new (PARALLEL_TYPE_STEP);
  g_signal_connect_swapped (self->signals, "bind", G_CALLBACK (bind_cb), self);
  g_signal_group_connect_swapped (self->signals, "notify::state", G_CALLBACK (state_cb), self);
  g_signal_group_connect_swapped (self->signals, "notify::progress",
                                  G_CALLBACK (progress_cb), self);
  g_signal_group_connect_swapped (self->signals, "notify::last-line",
                                  G_CALLBACK (last_line_cb), self);
}

GtkWidget *
step_row_new (void)
{
  return g_object_new (STEP_TYPE_ROW, NULL);
}

/* NULL for none. */
void
step_row_set_step (StepRow      *self,
                   ParallelStep *step)
{
  g_clear_handle_id (&self->tick, g_source_remove);
  g_signal_group_set_target (self->signals, step);
}
