"""The whole report run again over seeds, judged, and written up."""
