import os
import unittest

from shop import total


class Total(unittest.TestCase):
    def test_total(self):
        self.assertEqual(total([1, 2]), 3)
        self.assertTrue(os.path.exists("setup.cfg"))
        self.assertEqual(os.environ.get("FAIL", ""), "")
