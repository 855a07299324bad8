"""What senders tell of by themselves: checked, stored before they are thanked, applied by fetching the object anew."""
