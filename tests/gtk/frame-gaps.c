/* frame-gaps.c: preloaded into a program for GTK, it asks for one frame after the other while there
 * is a window, and says at its end how much time was between them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <gtk/gtk.h>

/* How often it looks whether there is a window, in milliseconds. */
#define LOOK_INTERVAL 1

static gint64 last;       /* monotonic time */
static GArray *gaps;      /* of gint64, in microseconds */

static gboolean
tick_cb (GtkWidget     *widget,
         GdkFrameClock *clock,
         gpointer       user_data)
{
  gint64 now = g_get_monotonic_time ();
  gint64 gap = now - last;

  if (last != 0)
    g_array_append_val (gaps, gap);
  last = now;

  return G_SOURCE_CONTINUE;
}

static int
compare (gconstpointer a,
         gconstpointer b)
{
  gint64 left = *(const gint64 *) a;
  gint64 right = *(const gint64 *) b;

  return (left > right) - (left < right);
}

static double
get_gap (double part)
{
  return g_array_index (gaps, gint64, (guint) (part * (gaps->len - 1))) / 1000.0;
}

static void
unmap_cb (GtkWidget *widget)
{
  g_array_sort (gaps, compare);
  g_printerr ("%u frames; milliseconds between two: median %.1f, 99%% up to %.1f, most %.1f\n",
              gaps->len + 1, get_gap (0.5), get_gap (0.99), get_gap (1));
}

static gboolean
look_cb (gpointer user_data)
{
  GListModel *windows = gtk_is_initialized () ? gtk_window_get_toplevels () : NULL;
  g_autoptr (GtkWidget) window = windows != NULL ? g_list_model_get_item (windows, 0) : NULL;

  if (window == NULL)
    return G_SOURCE_CONTINUE;

  gaps = g_array_new (FALSE, FALSE, sizeof (gint64));
  gtk_widget_add_tick_callback (window, tick_cb, NULL, NULL);
  g_signal_connect (window, "unmap", G_CALLBACK (unmap_cb), NULL);
  return G_SOURCE_REMOVE;
}

__attribute__ ((constructor)) static void
install (void)
{
  /* Not into the programs that this one starts. */
  g_unsetenv ("LD_PRELOAD");
  g_timeout_add (LOOK_INTERVAL, look_cb, NULL);
}
