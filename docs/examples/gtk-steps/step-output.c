/* step-output.c: what one step has written, followed while it writes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "step-output.h"

/* A step may write more than a text view can bear: its last bytes are shown. */
#define MAX_SHOWN (64 * 1024)

/* How long what comes is collected before it is shown, in milliseconds. */
#define REFRESH_DELAY 50

struct _StepOutput
{
  GtkBox        parent_instance;

  GtkLabel     *name;
  GtkLabel     *error;
  GtkTextView  *text_view;

  GSignalGroup *signals;      /* those of the step that is shown */
  guint64       offset;       /* how much of its output has been read */
  guint         refresh;      /* a source, while there is something to read */
};

G_DEFINE_FINAL_TYPE (StepOutput, step_output, GTK_TYPE_BOX)

/* Without the character at the end of which only the first bytes are there. */
static gsize
complete_length (const char *data,
                 gsize       length)
{
  for (gsize n = 1; n <= MIN (length, 3); n++)
    if (g_utf8_get_char_validated (data + length - n, n) == (gunichar) -2)
      return length - n;

  return length;
}

static gboolean
is_at_end (StepOutput *self)
{
  GtkAdjustment *adjustment = gtk_scrollable_get_vadjustment (GTK_SCROLLABLE (self->text_view));

  return gtk_adjustment_get_value (adjustment) + gtk_adjustment_get_page_size (adjustment) + 1 >=
         gtk_adjustment_get_upper (adjustment);
}

/* Whoever has scrolled back to read something stays there. */
static void
append (StepOutput *self,
        const char *data,
        gsize       length)
{
  GtkTextBuffer *buffer = gtk_text_view_get_buffer (self->text_view);
  g_autofree char *text = g_utf8_make_valid (data, length);
  gboolean follow = is_at_end (self);
  GtkTextIter end;

  gtk_text_buffer_get_end_iter (buffer, &end);
  gtk_text_buffer_insert (buffer, &end, text, -1);

  if (gtk_text_buffer_get_char_count (buffer) > MAX_SHOWN)
    {
      GtkTextIter start;
      GtkTextIter cut;

      gtk_text_buffer_get_start_iter (buffer, &start);
      gtk_text_buffer_get_iter_at_offset (buffer, &cut,
                                          gtk_text_buffer_get_char_count (buffer) - MAX_SHOWN);
      gtk_text_buffer_delete (buffer, &start, &cut);
    }

  if (follow)
    gtk_text_view_scroll_mark_onscreen (self->text_view, gtk_text_buffer_get_insert (buffer));
}

/* The library keeps the output in a temporary file. Its last bytes are still in memory, so reading
 * them does not wait for a disk. */
static void
read_more (StepOutput   *self,
           ParallelStep *step)
{
  gboolean running = parallel_step_get_state (step) == PARALLEL_STEP_STATE_RUNNING;
  guint64 size = parallel_step_get_output_size (step, PARALLEL_OUTPUT_STREAM_STDOUT);
  g_autoptr (GInputStream) stream = parallel_step_open_output (step, PARALLEL_OUTPUT_STREAM_STDOUT);
  g_autofree char *data = g_malloc (MAX_SHOWN);
  g_autoptr (GError) error = NULL;
  gsize length;

  if (size > self->offset + MAX_SHOWN)
    self->offset = size - MAX_SHOWN;

  if (!g_seekable_seek (G_SEEKABLE (stream), self->offset, G_SEEK_SET, NULL, &error) ||
      !g_input_stream_read_all (stream, data, size - self->offset, &length, NULL, &error))
    {
      gtk_label_set_label (self->error, error->message);
      return;
    }

  if (running)
    length = complete_length (data, length);
  if (length > 0)
    append (self, data, length);
  self->offset += length;
}

static gboolean
refresh_cb (gpointer user_data)
{
  StepOutput *self = STEP_OUTPUT (user_data);
  g_autoptr (ParallelStep) step = g_signal_group_dup_target (self->signals);

  self->refresh = 0;
  read_more (self, step);

  return G_SOURCE_REMOVE;
}

static void
output_cb (StepOutput *self)
{
  if (self->refresh == 0)
    self->refresh = g_timeout_add (REFRESH_DELAY, refresh_cb, self);
}

static void
error_cb (StepOutput   *self,
          GParamSpec   *pspec,
          ParallelStep *step)
{
  g_autoptr (GError) error = parallel_step_dup_error (step);

  gtk_label_set_label (self->error, error != NULL ? error->message : "");
}

static void
bind_cb (StepOutput   *self,
         ParallelStep *step)
{
  g_autofree char *name = parallel_step_dup_name (step);

  gtk_label_set_label (self->name, name);
  error_cb (self, NULL, step);
  read_more (self, step);
}

static void
step_output_dispose (GObject *object)
{
  StepOutput *self = STEP_OUTPUT (object);

  g_clear_handle_id (&self->refresh, g_source_remove);
  g_clear_object (&self->signals);

  G_OBJECT_CLASS (step_output_parent_class)->dispose (object);
}

static void
step_output_class_init (StepOutputClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = step_output_dispose;
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/org/example/GtkSteps/step-output.ui");
  gtk_widget_class_bind_template_child (widget_class, StepOutput, name);
  gtk_widget_class_bind_template_child (widget_class, StepOutput, error);
  gtk_widget_class_bind_template_child (widget_class, StepOutput, text_view);
}

static void
step_output_init (StepOutput *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));

  self->signals = g_signal_group_new (PARALLEL_TYPE_STEP);
  g_signal_connect_swapped (self->signals, "bind", G_CALLBACK (bind_cb), self);
  g_signal_group_connect_swapped (self->signals, "notify::error", G_CALLBACK (error_cb), self);
  g_signal_group_connect_swapped (self->signals, "notify::last-line", G_CALLBACK (output_cb), self);
}

/* NULL for none. */
void
step_output_set_step (StepOutput   *self,
                      ParallelStep *step)
{
  g_autoptr (ParallelStep) previous = g_signal_group_dup_target (self->signals);

  if (step == previous)
    return;

  g_clear_handle_id (&self->refresh, g_source_remove);
  self->offset = 0;
  gtk_label_set_label (self->name, "");
  gtk_label_set_label (self->error, "");
  gtk_text_buffer_set_text (gtk_text_view_get_buffer (self->text_view), "", 0);
  g_signal_group_set_target (self->signals, step);
}
