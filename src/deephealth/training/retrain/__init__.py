"""`deephealth retrain`: every option of TensorFlow's retrain.py of 2015 to 2017, doing what it said, and warning where it misled."""
