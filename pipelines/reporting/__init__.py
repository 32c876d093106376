"""What people read: the HTML report, the charts, the last lines on the terminal."""
