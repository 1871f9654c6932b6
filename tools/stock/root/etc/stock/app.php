<?php echo "hello from stock, ", array_sum([1, 2, 3]), "\n";
