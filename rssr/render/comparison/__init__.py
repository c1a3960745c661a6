"""Does one run reproduce another? Two folders of results -> a verdict, what differs, and the likeliest causes."""
